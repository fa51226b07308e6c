// RMSprop over COUNT packed values, in the order of PyTorch's documentation:
//   d = ±g + weightDecay p;  v = alpha v + (1 - alpha) d d;  mean = alpha mean + (1 - alpha) d if centered
//   q = d / (sqrt(v - mean mean) + eps);  p = p - lr q, or velocity = momentum velocity + q; p = p - lr velocity
// p, g, v, mean, velocity: COUNT values, four per invocation and turn.

override alpha: f32;
override oneMinusAlpha: f32;
override eps: f32;
override momentum: f32;

@group(0) @binding(0) var<storage, read_write> p: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> lr: array<f32>;
@group(0) @binding(3) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> mean: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> velocity: array<vec4<f32>>;

fn direction(i: u32) -> vec4<f32> { return uphill(g[i]) + decayAt(i) * p[i]; }

fn square(i: u32, d: vec4<f32>) -> vec4<f32> {
  let fresh = blend(v[i], d * d, alpha, oneMinusAlpha);
  v[i] = fresh;
  return fresh;
}

// The variance; rounding must not take it below 0.
fn variance(i: u32, d: vec4<f32>) -> vec4<f32> {
  let m = blend(mean[i], d, alpha, oneMinusAlpha);
  mean[i] = m;
  return relu4(square(i, d) - m * m);
}

fn plainStep(i: u32, q: vec4<f32>) { p[i] -= lr[0] * rateAt(i) * q; }

fn movingStep(i: u32, q: vec4<f32>) {
  let moved = momentum * velocity[i] + q;
  velocity[i] = moved;
  p[i] -= lr[0] * rateAt(i) * moved;
}

@compute @workgroup_size(64)
fn plain(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
         @builtin(local_invocation_index) lane: u32) {
  if (gathers()) { return; }
  let first = (wg.y * n.x + wg.x) * 64u * PER + lane;
  for (var i = first; i < min(first + 64u * PER, (COUNT + 3u) / 4u); i += 64u) {
    let d = direction(i);
    watch(p[i] + d);
    plainStep(i, d / (sqrt(square(i, d)) + eps));
  }
  raiseAlarm();
}

@compute @workgroup_size(64)
fn centered(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
  if (gathers()) { return; }
  let first = (wg.y * n.x + wg.x) * 64u * PER + lane;
  for (var i = first; i < min(first + 64u * PER, (COUNT + 3u) / 4u); i += 64u) {
    let d = direction(i);
    watch(p[i] + d);
    plainStep(i, d / (sqrt(variance(i, d)) + eps));
  }
  raiseAlarm();
}

@compute @workgroup_size(64)
fn withMomentum(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
  if (gathers()) { return; }
  let first = (wg.y * n.x + wg.x) * 64u * PER + lane;
  for (var i = first; i < min(first + 64u * PER, (COUNT + 3u) / 4u); i += 64u) {
    let d = direction(i);
    watch(p[i] + d);
    movingStep(i, d / (sqrt(square(i, d)) + eps));
  }
  raiseAlarm();
}

// The next binds as many buffers as every WebGPU device has: this one, dispatched before it, watches in its place.
@compute @workgroup_size(64)
fn watchAll(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
  if (gathers()) { return; }
  let first = (wg.y * n.x + wg.x) * 64u * PER + lane;
  for (var i = first; i < min(first + 64u * PER, (COUNT + 3u) / 4u); i += 64u) { watch(p[i] + direction(i)); }
  raiseAlarm();
}

@compute @workgroup_size(64)
fn centeredWithMomentum(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                        @builtin(local_invocation_index) lane: u32) {
  if (gathers()) { return; }
  let first = (wg.y * n.x + wg.x) * 64u * PER + lane;
  for (var i = first; i < min(first + 64u * PER, (COUNT + 3u) / 4u); i += 64u) {
    let d = direction(i);
    movingStep(i, d / (sqrt(variance(i, d)) + eps));
  }
}
