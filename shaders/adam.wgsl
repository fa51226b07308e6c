// Adam and AdamW over COUNT packed values, in the order of PyTorch's documentation, with t = step + 1:
//   d = ±g, plus weightDecay p unless decoupled
//   m = beta1 m + (1 - beta1) d    v = beta2 v + (1 - beta2) d d
//   p = p - [lr weightDecay p if decoupled] - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
// p, g, m, v: COUNT values, four per invocation and turn.
// Constants that would lose digits if worked out in float32 come ready: 1 - beta and ln beta.

override COUNT: u32;
override PER: u32;  // turns of each invocation
override beta1: f32;
override beta2: f32;
override oneMinusBeta1: f32;
override oneMinusBeta2: f32;
override logBeta1: f32;
override logBeta2: f32;
override eps: f32;
override weightDecay: f32;
override decoupled: bool;
override maximize: bool;

@group(0) @binding(0) var<storage, read_write> p: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> step: array<u32>;
@group(0) @binding(5) var<storage, read> lr: array<f32>;

// 1 - beta^t = -expm1(t ln beta): a series where the difference would cancel.
fn correction(logBeta: f32) -> f32 {
  let z = max((f32(step[0]) + 1.0) * logBeta, -80.0);
  if (z < -1.0) { return 1.0 - exp(z); }
  var sum = 1.0;
  for (var k = 11.0; k > 1.5; k -= 1.0) { sum = 1.0 + z / k * sum; }
  return -z * sum;
}

// beta old + (1 - beta) new, by the form that adds the smaller part: float32's beta and 1 - beta don't add up to 1.
fn blend(old: vec4<f32>, fresh: vec4<f32>, beta: f32, oneMinusBeta: f32) -> vec4<f32> {
  if (beta > 0.5) { return old + oneMinusBeta * (fresh - old); }
  return fresh - beta * (fresh - old);
}

@compute @workgroup_size(64)
fn adam(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let first = (wg.y * n.x + wg.x) * 64u * PER + lane;
  let last = min(first + 64u * PER, (COUNT + 3u) / 4u);
  let decay = lr[0] * weightDecay;
  let stride = lr[0] / correction(logBeta1);
  let scale = 1.0 / sqrt(correction(logBeta2));
  for (var i = first; i < last; i += 64u) {
    var d = select(g[i], -g[i], maximize);
    if (!decoupled) { d += weightDecay * p[i]; }
    let m1 = blend(m[i], d, beta1, oneMinusBeta1);
    let v1 = blend(v[i], d * d, beta2, oneMinusBeta2);
    m[i] = m1;
    v[i] = v1;
    var change = stride * m1 / (sqrt(v1) * scale + eps);
    if (decoupled) { change += decay * p[i]; }
    p[i] -= change;
  }
}
