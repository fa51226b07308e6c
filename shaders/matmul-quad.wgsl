// Matrix product for adapters where loads are dear and lanes run in lockstep: no workgroup memory, no barriers. The
// four lanes of a quad each load four of sixteen rows of A and swap them, so that every lane has all sixteen.
// Needs matmul-blocks.wgsl.
enable subgroups;

override LANES: u32;  // the adapter's subgroup size, a multiple of 4

struct Tile {
  own: mat4x4<f32>,
  x: mat4x4<f32>,
  y: mat4x4<f32>,
  diagonal: mat4x4<f32>,
}

fn swapX(m: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(quadSwapX(m[0]), quadSwapX(m[1]), quadSwapX(m[2]), quadSwapX(m[3]));
}

fn swapY(m: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(quadSwapY(m[0]), quadSwapY(m[1]), quadSwapY(m[2]), quadSwapY(m[3]));
}

fn swapDiagonal(m: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(quadSwapDiagonal(m[0]), quadSwapDiagonal(m[1]), quadSwapDiagonal(m[2]), quadSwapDiagonal(m[3]));
}

// 16 rows x 4 columns of y per lane, 16 rows x 4 LANES columns per workgroup.
fn tile(part: Part, m: u32, n: u32) -> Tile {
  let aAt = aStart(part.z, m);
  let bAt = bStart(part.z, n);
  var t = Tile();
  for (var k = part.first; k < part.last; k += 4u) {
    let u = aBlock(aAt, k);
    let v = bBlock(bAt, k);
    t.own += v * u;
    t.x += v * swapX(u);
    t.y += v * swapY(u);
    t.diagonal += v * swapDiagonal(u);
  }
  return t;
}

@compute @workgroup_size(LANES)
fn quad(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
  let part = partOf(wg.y * groups.x + wg.x);
  let q = lane % 4u;
  let m = part.tileM * 16u;
  let n = (part.tileN * LANES + lane) * 4u;
  let t = tile(part, m + q * 4u, n);
  putBlock(part, m + q * 4u, n, t.own);
  putBlock(part, m + (q ^ 1u) * 4u, n, t.x);
  putBlock(part, m + (q ^ 2u) * 4u, n, t.y);
  putBlock(part, m + (q ^ 3u) * 4u, n, t.diagonal);
}

@compute @workgroup_size(LANES)
fn quadVector(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(subgroup_invocation_id) lane: u32) {
  let part = partOf(wg.y * groups.x + wg.x);
  let q = lane % 4u;
  let m = part.tileM * 16u;
  let n = (part.tileN * LANES + lane) * 4u;
  let t = tile(part, m + q * 4u, n);
  putBlock4(part, m + q * 4u, n, t.own);
  putBlock4(part, m + (q ^ 1u) * 4u, n, t.x);
  putBlock4(part, m + (q ^ 2u) * 4u, n, t.y);
  putBlock4(part, m + (q ^ 3u) * 4u, n, t.diagonal);
}
