// Adagrad over COUNT packed values, in the order of PyTorch's documentation, with t the number of updates before:
//   d = ±g + weightDecay p;  total = total + d d;  p = p - lr / (1 + t decay) d / (sqrt(total) + eps)
// p, g, total: COUNT values, four per invocation and turn.

override eps: f32;
override decay: f32;  // of the learning rate

@group(0) @binding(0) var<storage, read_write> p: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> total: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> lr: array<f32>;

@compute @workgroup_size(64)
fn adagrad(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
  if (gathers()) { return; }
  let first = (wg.y * n.x + wg.x) * 64u * PER + lane;
  let rate = lr[0] / (1.0 + f32(updatesBefore()) * decay);
  for (var i = first; i < min(first + 64u * PER, (COUNT + 3u) / 4u); i += 64u) {
    let d = uphill(g[i]) + decayAt(i) * p[i];
    watch(p[i] + d);
    let sum = total[i] + d * d;
    total[i] = sum;
    p[i] -= rate * rateAt(i) * d / (sqrt(sum) + eps);
  }
  raiseAlarm();
}
