// Stochastic gradient descent over COUNT packed values, in the order of PyTorch's documentation:
//   d = ±g + weightDecay p;  velocity = momentum velocity + (1 - dampening) d, or d at step 0
//   p = p - lr (velocity, or d + momentum velocity with Nesterov's form, or d without momentum)
// p, g, velocity: COUNT values, four per invocation and turn.

override momentum: f32;
override undampened: f32;  // 1 - dampening
override nesterov: bool;

@group(0) @binding(0) var<storage, read_write> p: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> lr: array<f32>;
@group(0) @binding(3) var<storage, read_write> velocity: array<vec4<f32>>;

fn direction(i: u32) -> vec4<f32> {
  return uphill(g[i]) + decayAt(i) * p[i];
}

@compute @workgroup_size(64)
fn plain(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
         @builtin(local_invocation_index) lane: u32) {
  if (gathers()) { return; }
  let first = (wg.y * n.x + wg.x) * 64u * PER + lane;
  let last = min(first + 64u * PER, (COUNT + 3u) / 4u);
  for (var i = first; i < last; i += 64u) {
    let d = direction(i);
    watch(p[i] + d);
    p[i] -= lr[0] * rateAt(i) * d;
  }
  raiseAlarm();
}

@compute @workgroup_size(64)
fn withMomentum(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
  if (gathers()) { return; }
  let first = (wg.y * n.x + wg.x) * 64u * PER + lane;
  let last = min(first + 64u * PER, (COUNT + 3u) / 4u);
  let begins = updatesBefore() == 0u;
  for (var i = first; i < last; i += 64u) {
    let d = direction(i);
    watch(p[i] + d);
    let v = select(momentum * velocity[i] + undampened * d, d, begins);
    velocity[i] = v;
    p[i] -= lr[0] * rateAt(i) * select(v, d + momentum * v, nesterov);
  }
  raiseAlarm();
}
