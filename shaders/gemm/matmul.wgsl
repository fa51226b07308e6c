// Matrix product without subgroups: `registers` for adapters that run on a CPU, `slabs` for real ones.
// Needs matmul-blocks.wgsl, which has the operands, or another file with the same functions.

override LANES: u32;  // of `registers`: invocations per workgroup

// 8 x 8 of y per invocation, out of registers; lanes side by side along n read the same rows of A. Blocks: top left, top
// right, bottom left, bottom right.
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
    t[0] += left * top;
    t[1] += right * top;
    t[2] += left * bottom;
    t[3] += right * bottom;
  }
  return t;
}

@compute @workgroup_size(LANES)
fn registers(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
  let part = partOf(wg, groups);
  let m = part.tileM * 8u;
  let n = (part.tileN * LANES + lane) * 8u;
  var t = registersTile(part, m, n);
  for (var e = 0u; e < 16u * part.one; e++) {
    putRow(part.y, m + e / 8u * 4u + e % 4u, n + e / 4u % 2u * 4u, t[0][0]);
    t = shifted(t);
  }
}

@compute @workgroup_size(LANES)
fn registersVector(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
  let part = partOf(wg, groups);
  let m = part.tileM * 8u;
  let n = (part.tileN * LANES + lane) * 8u;
  var t = registersTile(part, m, n);
  for (var e = 0u; e < 16u * part.one; e++) {
    putRow4(part.y, m + e / 8u * 4u + e % 4u, n + e / 4u % 2u * 4u, t[0][0]);
    t = shifted(t);
  }
}

// For up to four rows: 4 x 4 of y per invocation, lanes side by side along n.
fn narrowTile(part: Part, n: u32) -> mat4x4<f32> {
  let aAt = aStart(part.z, part.tileM * 4u);
  let bAt = bStart(part.z, n);
  var t = mat4x4<f32>();
  for (var k = part.first; k < part.last; k += 4u) { t += bBlock(bAt, k) * aBlock(aAt, k); }
  return t;
}

@compute @workgroup_size(LANES)
fn narrow(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
  let part = partOf(wg, groups);
  let m = part.tileM * 4u;
  let n = (part.tileN * LANES + lane) * 4u;
  let t = narrowTile(part, n);
  putRow(part.y, m, n, t[0]);
  putRow(part.y, m + 1u, n, t[1]);
  putRow(part.y, m + 2u, n, t[2]);
  putRow(part.y, m + 3u, n, t[3]);
}

@compute @workgroup_size(LANES)
fn narrowVector(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
  let part = partOf(wg, groups);
  let m = part.tileM * 4u;
  let n = (part.tileN * LANES + lane) * 4u;
  let t = narrowTile(part, n);
  putRow4(part.y, m, n, t[0]);
  putRow4(part.y, m + 1u, n, t[1]);
  putRow4(part.y, m + 2u, n, t[2]);
  putRow4(part.y, m + 3u, n, t[3]);
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
      t[0] += outer(left, top);
      t[1] += outer(right, top);
      t[2] += outer(left, bottom);
      t[3] += outer(right, bottom);
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
  let part = partOf(wg, groups);
  var t = slabsTile(part, lane);
  let m = part.tileM * 64u + lane / 8u * 4u;
  let n = part.tileN * 64u + lane % 8u * 4u;
  for (var e = 0u; e < 16u * part.one; e++) {
    putRow(part.y, m + e / 8u * 32u + e % 4u, n + e / 4u % 2u * 32u, t[0][0]);
    t = shifted(t);
  }
}

@compute @workgroup_size(64)
fn slabsVector(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
  let part = partOf(wg, groups);
  var t = slabsTile(part, lane);
  let m = part.tileM * 64u + lane / 8u * 4u;
  let n = part.tileN * 64u + lane % 8u * 4u;
  for (var e = 0u; e < 16u * part.one; e++) {
    putRow4(part.y, m + e / 8u * 32u + e % 4u, n + e / 4u % 2u * 32u, t[0][0]);
    t = shifted(t);
  }
}

// For small outputs: 32 x 32 per workgroup of 64, 4 x 4 each, in slabs of 32 ks of 8 vec4.
fn smallSlabsTile(part: Part, lane: u32) -> mat4x4<f32> {
  let aK = select(lane % 8u, lane / 8u, TRANSPOSE_A);
  let aM = select(lane / 8u, lane % 8u, TRANSPOSE_A);
  let bK = select(lane / 8u, lane % 8u, TRANSPOSE_B);
  let bN = select(lane % 8u, lane / 8u, TRANSPOSE_B);
  let aAt = aStart(part.z, part.tileM * 32u + aM * 4u);
  let bAt = bStart(part.z, part.tileN * 32u + bN * 4u);
  var t = mat4x4<f32>();
  for (var k = part.first; k < part.last; k += 32u) {
    let u = transpose(aBlock(aAt, k + aK * 4u));
    let v = bBlock(bAt, k + bK * 4u);
    for (var i = 0u; i < 4u; i++) {
      aSlab[(aK * 4u + i) * 8u + aM] = u[i];
      bSlab[(bK * 4u + i) * 8u + bN] = v[i];
    }
    workgroupBarrier();
    for (var i = 0u; i < 256u; i += 8u) { t += outer(bSlab[i + lane % 8u], aSlab[i + lane / 8u]); }
    workgroupBarrier();
  }
  return t;
}

@compute @workgroup_size(64)
fn smallSlabs(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
  let part = partOf(wg, groups);
  let m = part.tileM * 32u + lane / 8u * 4u;
  let n = part.tileN * 32u + lane % 8u * 4u;
  var t = smallSlabsTile(part, lane);
  for (var r = 0u; r < 4u; r++) { putRow(part.y, m + r, n, t[r]); }
}

@compute @workgroup_size(64)
fn smallSlabsVector(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) lane: u32) {
  let part = partOf(wg, groups);
  let m = part.tileM * 32u + lane / 8u * 4u;
  let n = part.tileN * 32u + lane % 8u * 4u;
  var t = smallSlabsTile(part, lane);
  for (var r = 0u; r < 4u; r++) { putRow4(part.y, m + r, n, t[r]); }
}
