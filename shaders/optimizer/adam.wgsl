// Adam and AdamW over COUNT packed values, in the order of PyTorch's documentation, with t the number of the update from 1:
//   d = ±g, plus weightDecay p unless decoupled
//   m = beta1 m + (1 - beta1) d    v = beta2 v + (1 - beta2) d d
//   p = p - [lr weightDecay p if decoupled] - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
// p, g, m, v: COUNT values, four per invocation and turn.
// Constants that would lose digits if worked out in float32 come ready: 1 - beta and ln beta.

override beta1: f32;
override beta2: f32;
override oneMinusBeta1: f32;
override oneMinusBeta2: f32;
override logBeta1: f32;
override logBeta2: f32;
override eps: f32;
override decoupled: bool;

@group(0) @binding(0) var<storage, read_write> p: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> lr: array<f32>;

// 1 - beta^t = -expm1(t ln beta): a series where the difference would cancel.
fn correction(logBeta: f32) -> f32 {
  let z = max((f32(updatesBefore()) + 1.0) * logBeta, -80.0);
  if (z < -1.0) { return 1.0 - exp(z); }
  var sum = 1.0;
  for (var k = 11.0; k > 1.5; k -= 1.0) { sum = 1.0 + z / k * sum; }
  return -z * sum;
}

@compute @workgroup_size(64)
fn adam(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  if (gathers()) { return; }
  let first = (wg.y * n.x + wg.x) * 64u * PER + lane;
  let last = min(first + 64u * PER, (COUNT + 3u) / 4u);
  let stride = lr[0] / correction(logBeta1);
  let scale = 1.0 / sqrt(correction(logBeta2));
  for (var i = first; i < last; i += 64u) {
    var d = uphill(g[i]);
    if (!decoupled) { d += decayAt(i) * p[i]; }
    watch(p[i] + d);
    let m1 = blend(m[i], d, beta1, oneMinusBeta1);
    let v1 = blend(v[i], d * d, beta2, oneMinusBeta2);
    m[i] = m1;
    v[i] = v1;
    var change = stride * m1 / (sqrt(v1) * scale + eps);
    if (decoupled) { change += lr[0] * decayAt(i) * p[i]; }
    p[i] -= rateAt(i) * change;
  }
  raiseAlarm();
}
