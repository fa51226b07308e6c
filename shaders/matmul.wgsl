// Matrix product without subgroups: `register` for adapters that run on a CPU, `shared` for real ones.
// Needs matmul-blocks.wgsl, which has the operands.

override LANES: u32;  // of `register`: invocations per workgroup

// 8 x 8 of y per invocation, out of registers; lanes side by side along n read the same rows of A.
struct Tile {
  topLeft: mat4x4<f32>,
  topRight: mat4x4<f32>,
  bottomLeft: mat4x4<f32>,
  bottomRight: mat4x4<f32>,
}

fn registersTile(part: Part, m: u32, n: u32) -> Tile {
  let aTop = aStart(part.z, m);
  let aBottom = aStart(part.z, m + 4u);
  let bLeft = bStart(part.z, n);
  let bRight = bStart(part.z, n + 4u);
  var t = Tile();
  for (var k = part.first; k < part.last; k += 4u) {
    let top = aBlock(aTop, k);
    let bottom = aBlock(aBottom, k);
    let left = bBlock(bLeft, k);
    let right = bBlock(bRight, k);
    t.topLeft += left * top;
    t.topRight += right * top;
    t.bottomLeft += left * bottom;
    t.bottomRight += right * bottom;
  }
  return t;
}

@compute @workgroup_size(LANES)
fn registers(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
  let part = partOf(wg.y * groups.x + wg.x);
  let m = part.tileM * 8u;
  let n = (part.tileN * LANES + lane) * 8u;
  let t = registersTile(part, m, n);
  putBlock(part, m, n, t.topLeft);
  putBlock(part, m, n + 4u, t.topRight);
  putBlock(part, m + 4u, n, t.bottomLeft);
  putBlock(part, m + 4u, n + 4u, t.bottomRight);
}

@compute @workgroup_size(LANES)
fn registersVector(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
  let part = partOf(wg.y * groups.x + wg.x);
  let m = part.tileM * 8u;
  let n = (part.tileN * LANES + lane) * 8u;
  let t = registersTile(part, m, n);
  putBlock4(part, m, n, t.topLeft);
  putBlock4(part, m, n + 4u, t.topRight);
  putBlock4(part, m + 4u, n, t.bottomLeft);
  putBlock4(part, m + 4u, n + 4u, t.bottomRight);
}

// A slab of 16 ks of the workgroup's rows of A and columns of B: 16 vec4 of rows or columns per k.
var<workgroup> aSlab: array<vec4<f32>, 256>;
var<workgroup> bSlab: array<vec4<f32>, 256>;

// 64 x 64 of y per workgroup of 64, 8 x 8 each as four blocks 32 apart. Every invocation fetches one block of A and one
// of B per slab: along k in neighbours where k is contiguous in memory, else along rows or columns.
fn slabsTile(part: Part, lane: u32) -> Tile {
  let aK = select(lane % 4u, lane / 16u, TRANSPOSE_A);
  let aM = select(lane / 4u, lane % 16u, TRANSPOSE_A);
  let bK = select(lane / 16u, lane % 4u, TRANSPOSE_B);
  let bN = select(lane % 16u, lane / 4u, TRANSPOSE_B);
  let aAt = aStart(part.z, part.tileM * 64u + aM * 4u);
  let bAt = bStart(part.z, part.tileN * 64u + bN * 4u);
  let row = lane / 8u;
  let column = lane % 8u;
  var t = Tile();
  for (var k = part.first; k < part.last; k += 16u) {
    let u = transpose(aBlock(aAt, k + aK * 4u));
    let v = bBlock(bAt, k + bK * 4u);
    let aTo = aK * 64u + aM;
    let bTo = bK * 64u + bN;
    aSlab[aTo] = u[0];
    aSlab[aTo + 16u] = u[1];
    aSlab[aTo + 32u] = u[2];
    aSlab[aTo + 48u] = u[3];
    bSlab[bTo] = v[0];
    bSlab[bTo + 16u] = v[1];
    bSlab[bTo + 32u] = v[2];
    bSlab[bTo + 48u] = v[3];
    workgroupBarrier();
    for (var i = 0u; i < 16u; i++) {
      let top = aSlab[i * 16u + row];
      let bottom = aSlab[i * 16u + row + 8u];
      let left = bSlab[i * 16u + column];
      let right = bSlab[i * 16u + column + 8u];
      t.topLeft += outer(left, top);
      t.topRight += outer(right, top);
      t.bottomLeft += outer(left, bottom);
      t.bottomRight += outer(right, bottom);
    }
    workgroupBarrier();
  }
  return t;
}

fn outer(columns: vec4<f32>, rows: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(columns * rows.x, columns * rows.y, columns * rows.z, columns * rows.w);
}

@compute @workgroup_size(64)
fn slabs(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
  let part = partOf(wg.y * groups.x + wg.x);
  let t = slabsTile(part, lane);
  let m = part.tileM * 64u + lane / 8u * 4u;
  let n = part.tileN * 64u + lane % 8u * 4u;
  putBlock(part, m, n, t.topLeft);
  putBlock(part, m, n + 32u, t.topRight);
  putBlock(part, m + 32u, n, t.bottomLeft);
  putBlock(part, m + 32u, n + 32u, t.bottomRight);
}

@compute @workgroup_size(64)
fn slabsVector(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
  let part = partOf(wg.y * groups.x + wg.x);
  let t = slabsTile(part, lane);
  let m = part.tileM * 64u + lane / 8u * 4u;
  let n = part.tileN * 64u + lane % 8u * 4u;
  putBlock4(part, m, n, t.topLeft);
  putBlock4(part, m, n + 32u, t.topRight);
  putBlock4(part, m + 32u, n, t.bottomLeft);
  putBlock4(part, m + 32u, n + 32u, t.bottomRight);
}

@group(0) @binding(0) var<storage, read> partial: array<f32>;  // SPLITS copies of the sums

// y from the sums of all splits, added in order; one element per invocation.
@compute @workgroup_size(64)
fn combine(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
  let e = (wg.y * groups.x + wg.x) * 64u + lane;
  if (e >= BATCH * M * N) { return; }
  var sum = 0.0;
  for (var s = 0u; s < SPLITS; s++) { sum += partial[s * BATCH * M * N + e]; }
  let r = e % (M * N);
  let byColumn = YM == 1u;
  let m = select(r / N, r % M, byColumn);
  let n = select(r % N, r / M, byColumn);
  y[e] = finished(e - r, m, n, vec4(sum)).x;
}
