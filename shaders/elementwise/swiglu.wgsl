// y[r, c] = silu(x[r, c]) * x[r, F + c], and the gradient dx from dy.  x, dx: ROWS x 2 F;  y, dy: ROWS x F
// Needs special-functions.wgsl.

override ROWS: u32;
override F: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

// One element of y per invocation.
@compute @workgroup_size(64)
fn swiglu(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= ROWS * F) { return; }
  let at = i + i / F * F;
  y[i] = silu4(vec4(x[at])).x * x[at + F];
}

// One element of dy, two of dx, per invocation.
@compute @workgroup_size(64)
fn swigluBackward(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= ROWS * F) { return; }
  let at = i + i / F * F;
  let gate = vec4(x[at]);
  dx[at] = dy[i] * x[at + F] * siluDerivative4(gate).x;
  dx[at + F] = dy[i] * silu4(gate).x;
}
