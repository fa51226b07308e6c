// The second dispatch of a product with split-K: adds the partial sums of all splits in order and finishes them; one element
// per invocation. Needs matrix-result-fragment.wgsl.

const STEPS = vec4<u32>(0u, 1u, 2u, 3u);

@group(0) @binding(0) var<storage, read> partial: array<f32>;  // SPLITS copies of y
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn reduceSplits(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
  let e = (wg.y * groups.x + wg.x) * 64u + lane;
  let size = sizes.M * sizes.N;
  if (e >= sizes.BATCH * size) { return; }
  var sum = 0.0;
  for (var s = 0u; s < sizes.SPLITS; s++) { sum += partial[s * sizes.BATCH * size + e]; }
  let r = e % size;
  let byColumn = sizes.YM == 1u;
  let m = select(r / sizes.N, r % sizes.M, byColumn);
  let n = select(r % sizes.N, r / sizes.M, byColumn);
  let d = destination(e / size, e / size);
  y[e] = finished(d, m, n, biased(d, m, n, vec4(sum))).x;
}
