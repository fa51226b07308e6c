// y[n, t] = x[n, t + BY], or the initial state (0 without one) where t + BY is no step of sample n; 0 where t is none.
// x, y [N, T, H]   s0: [N, H] is read   lengths [N]. Needs steps-fragment.wgsl and special-functions.wgsl.

override BY: i32;
override INITIAL: bool;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> s0: array<f32>;
@group(0) @binding(2) var<storage, read> lengths: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// One element per invocation.
@compute @workgroup_size(64)
fn shiftSteps(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * groups.x + wg.x) * 64u + lane;
  if (i >= N * T * H) { return; }
  let n = i / (T * H);
  let t = i / H % T;
  let other = i32(t) + BY;
  var v = 0.0;
  if (isStep(lengths[n], t)) {
    if (other >= 0 && other < i32(T) && isStep(lengths[n], u32(other))) {
      v = x[i32(i) + BY * i32(H)];
    } else if (INITIAL) {
      v = s0[n * H + i % H];
    }
  }
  y[i] = v;
}
