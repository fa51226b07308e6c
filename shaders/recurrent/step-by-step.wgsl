// Fragment with entry points, for recurrence-fragment.wgsl or recurrence-backward-fragment.wgsl: one dispatch for `start`, then
// for every step a matrix product, which makes `product` [N, SUMS, H] of rows of A, and `step`. Rows of A lie in plane 0 of
// `state`, or in `row` [N, INNER]: steps of the gradient write theirs there, too.

struct Sizes { STEP: u32 }
@group(0) @binding(8) var<storage, read_write> row: array<f32>;
@group(0) @binding(9) var<storage, read> product: array<f32>;
@group(0) @binding(10) var<uniform> sizes: Sizes;

fn keepRow(n: u32, i: u32, v: f32) { row[n * INNER + i] = v; }

// One unit of a sample per invocation.
@compute @workgroup_size(64)
fn start(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * groups.x + wg.x) * 64u + lane;
  if (i < N * H) { begin(i / H, i % H); }
}

@compute @workgroup_size(64)
fn step_(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * groups.x + wg.x) * 64u + lane;
  if (i >= N * H) { return; }
  let n = i / H;
  var v = vec4<f32>();
  if (hasProduct(sizes.STEP)) {
    let at = n * SUMS * H + i % H;
    v.x = product[at];
    if (SUMS > 1u) {
      v.y = product[at + H];
      v.z = product[at + 2u * H];
      if (SUMS > 3u) { v.w = product[at + 3u * H]; }
    }
  }
  advance(n, sizes.STEP, i % H, v);
}
