// FRAGMENT: two tiles, see gemm-fragment.wgsl. For GPUs: the 64 invocations of a workgroup load parts of A and B once, into
// workgroup memory, and read them from there many times.

// Several k steps of the workgroup's rows of A and columns of B, as vec4 of four rows or columns.
var<workgroup> aShared: array<vec4<f32>, 256>;
var<workgroup> bShared: array<vec4<f32>, 256>;

fn outer(columns: vec4<f32>, rows: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(columns * rows.x, columns * rows.y, columns * rows.z, columns * rows.w);
}

// 64 x 64 results per workgroup, 16 k steps at a time; 8 x 8 results per invocation, as four blocks 32 apart. Every invocation
// loads one block of A and one of B: along k in neighbours where k is contiguous in memory, else along rows or columns.
fn sharedMemorySums(work: Work, lane: u32) -> Tile {
  let aK = select(lane % 4u, lane / 16u, TRANSPOSE_A);
  let aM = select(lane / 4u, lane % 16u, TRANSPOSE_A);
  let bK = select(lane / 16u, lane % 4u, TRANSPOSE_B);
  let bN = select(lane % 16u, lane / 4u, TRANSPOSE_B);
  let rows = rowsOf(work.z, work.tileM * 64u + aM * 4u);
  let columns = columnsOf(work.z, work.tileN * 64u + bN * 4u);
  let row = lane / 8u;
  let column = lane % 8u;
  var t = Tile();
  for (var k = work.first; k < work.last; k += 16u) {
    let u = transpose(aBlock(work.z, rows, k + aK * 4u));
    let v = bBlock(work.z, columns, k + bK * 4u);
    for (var i = 0u; i < 4u; i++) {
      aShared[(aK * 4u + i) * 16u + aM] = u[i];
      bShared[(bK * 4u + i) * 16u + bN] = v[i];
    }
    workgroupBarrier();
    for (var i = 0u; i < 16u; i++) {
      let top = aShared[i * 16u + row];
      let bottom = aShared[i * 16u + row + 8u];
      let left = bShared[i * 16u + column];
      let right = bShared[i * 16u + column + 8u];
      t[0] += outer(left, top);
      t[1] += outer(right, top);
      t[2] += outer(left, bottom);
      t[3] += outer(right, bottom);
    }
    workgroupBarrier();
  }
  return t;
}

@compute @workgroup_size(64)
fn sharedMemoryTile(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) lane: u32) {
  let work = workOf(wg, groups);
  var t = sharedMemorySums(work, lane);
  let m = work.tileM * 64u + lane / 8u * 4u;
  let n = work.tileN * 64u + lane % 8u * 4u;
  for (var e = 0u; e < 16u * work.one; e++) {
    store(work.to, m + e / 8u * 32u + e % 4u, n + e / 4u % 2u * 32u, t[0][0]);
    t = shifted(t);
  }
}

// For small results: 32 x 32 per workgroup, 32 k steps at a time; 4 x 4 results per invocation.
fn smallSharedMemorySums(work: Work, lane: u32) -> mat4x4<f32> {
  let aK = select(lane % 8u, lane / 8u, TRANSPOSE_A);
  let aM = select(lane / 8u, lane % 8u, TRANSPOSE_A);
  let bK = select(lane / 8u, lane % 8u, TRANSPOSE_B);
  let bN = select(lane % 8u, lane / 8u, TRANSPOSE_B);
  let rows = rowsOf(work.z, work.tileM * 32u + aM * 4u);
  let columns = columnsOf(work.z, work.tileN * 32u + bN * 4u);
  var t = mat4x4<f32>();
  for (var k = work.first; k < work.last; k += 32u) {
    let u = transpose(aBlock(work.z, rows, k + aK * 4u));
    let v = bBlock(work.z, columns, k + bK * 4u);
    for (var i = 0u; i < 4u; i++) {
      aShared[(aK * 4u + i) * 8u + aM] = u[i];
      bShared[(bK * 4u + i) * 8u + bN] = v[i];
    }
    workgroupBarrier();
    for (var i = 0u; i < 256u; i += 8u) { t += outer(bShared[i + lane % 8u], aShared[i + lane / 8u]); }
    workgroupBarrier();
  }
  return t;
}

@compute @workgroup_size(64)
fn smallSharedMemoryTile(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                         @builtin(local_invocation_index) lane: u32) {
  let work = workOf(wg, groups);
  let m = work.tileM * 32u + lane / 8u * 4u;
  let n = work.tileN * 32u + lane % 8u * 4u;
  var t = smallSharedMemorySums(work, lane);
  for (var r = 0u; r < 4u; r++) { store(work.to, m + r, n, t[r]); }
}
