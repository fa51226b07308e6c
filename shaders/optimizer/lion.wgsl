// Lion over COUNT packed values (Chen et al., 2023, algorithm 2), d = ±g:
//   p = p - lr (sign(beta1 m + (1 - beta1) d) + weightDecay p);  m = beta2 m + (1 - beta2) d
// p, g, m: COUNT values, four per invocation and turn.

override beta1: f32;
override beta2: f32;
override oneMinusBeta1: f32;
override oneMinusBeta2: f32;

@group(0) @binding(0) var<storage, read_write> p: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> lr: array<f32>;

// NaN stays NaN, so that it shows; sign would make a number of it.
fn signOf(v: vec4<f32>) -> vec4<f32> { return select(sign(v), v, isNan4(v)); }

@compute @workgroup_size(64)
fn lion(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  if (gathers()) { return; }
  let first = (wg.y * n.x + wg.x) * 64u * PER + lane;
  for (var i = first; i < min(first + 64u * PER, (COUNT + 3u) / 4u); i += 64u) {
    let d = uphill(g[i]);
    watch(p[i] + d);
    let direction = signOf(beta1 * m[i] + oneMinusBeta1 * d);
    p[i] -= lr[0] * rateAt(i) * (direction + decayAt(i) * p[i]);
    m[i] = blend(m[i], d, beta2, oneMinusBeta2);
  }
  raiseAlarm();
}
