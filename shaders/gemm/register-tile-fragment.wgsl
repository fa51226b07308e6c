// FRAGMENT: two tiles, see gemm-fragment.wgsl. For software adapters without subgroups, and with few rows for any adapter: no
// workgroup memory, no barriers. Invocations side by side have the same rows of A and columns side by side.

override LANES: u32;  // invocations per workgroup

// 8 x 8 results per invocation. Blocks: top left, top right, bottom left, bottom right.
fn registerSums(work: Work, m: u32, n: u32) -> Tile {
  let aTop = rowsOf(work.z, m);
  let aBottom = rowsOf(work.z, m + 4u);
  let bLeft = columnsOf(work.z, n);
  let bRight = columnsOf(work.z, n + 4u);
  var t = Tile();
  for (var k = work.first; k < work.last; k += 4u) {
    let top = aBlock(work.z, aTop, k);
    let bottom = aBlock(work.z, aBottom, k);
    let left = bBlock(work.z, bLeft, k);
    let right = bBlock(work.z, bRight, k);
    t[0] += left * top;
    t[1] += right * top;
    t[2] += left * bottom;
    t[3] += right * bottom;
  }
  return t;
}

@compute @workgroup_size(LANES)
fn registerTile(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
  let work = workOf(wg, groups);
  let m = work.tileM * 8u;
  let n = (work.tileN * LANES + lane) * 8u;
  var t = registerSums(work, m, n);
  for (var e = 0u; e < 16u * work.one; e++) {
    store(work.to, m + e / 8u * 4u + e % 4u, n + e / 4u % 2u * 4u, t[0][0]);
    t = shifted(t);
  }
}

// For results of up to four rows (skinny GEMM, GEMV): 4 x 4 results per invocation.
@compute @workgroup_size(LANES)
fn skinnyTile(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
  let work = workOf(wg, groups);
  let m = work.tileM * 4u;
  let n = (work.tileN * LANES + lane) * 4u;
  let rows = rowsOf(work.z, m);
  let columns = columnsOf(work.z, n);
  var t = mat4x4<f32>();
  for (var k = work.first; k < work.last; k += 4u) { t += bBlock(work.z, columns, k) * aBlock(work.z, rows, k); }
  store(work.to, m, n, t[0]);
  store(work.to, m + 1u, n, t[1]);
  store(work.to, m + 2u, n, t[2]);
  store(work.to, m + 3u, n, t[3]);
}
