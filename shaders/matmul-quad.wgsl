// Matrix product for adapters where loads are dear and lanes run in lockstep: no workgroup memory, no barriers. The
// four lanes of a quad each load four of sixteen rows of A and swap them, so that every lane has all sixteen.
// Needs matmul-blocks.wgsl or another file with the same functions.
enable subgroups;

override LANES: u32;   // the adapter's subgroup size, a multiple of 4
override TAIL: bool;   // what is summed over is no multiple of 4

fn swapX(m: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(quadSwapX(m[0]), quadSwapX(m[1]), quadSwapX(m[2]), quadSwapX(m[3]));
}

fn swapY(m: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(quadSwapY(m[0]), quadSwapY(m[1]), quadSwapY(m[2]), quadSwapY(m[3]));
}

fn swapDiagonal(m: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(quadSwapDiagonal(m[0]), quadSwapDiagonal(m[1]), quadSwapDiagonal(m[2]), quadSwapDiagonal(m[3]));
}

fn outer(columns: vec4<f32>, rows: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(columns * rows.x, columns * rows.y, columns * rows.z, columns * rows.w);
}

// Where the ks end that are taken four at a time; with TAIL the others follow one by one.
fn wholeSteps(part: Part) -> u32 {
  return select(part.last, part.last / 4u * 4u, TAIL);
}

// Block p: rows of the lane whose number in the quad is this one's XOR p. 16 rows x 4 columns of y per lane,
// 16 rows x 4 LANES columns per workgroup.
fn tile(part: Part, m: u32, n: u32) -> Tile {
  var rows = aRun(part.z, m, part.first);
  var columns = bRun(part.z, n, part.first);
  let whole = wholeSteps(part);
  var t = Tile();
  for (var k = part.first; k < whole; k += 4u) {
    let u = aNext(&rows, k);
    let v = bNext(&columns, k);
    t[0] += v * u;
    t[1] += v * swapX(u);
    t[2] += v * swapY(u);
    t[3] += v * swapDiagonal(u);
  }
  if (TAIL) {
    for (var k = whole; k < part.last; k++) {
      let u = aOne(rows, k);
      let v = bOne(columns, k);
      t[0] += outer(v, u);
      t[1] += outer(v, quadSwapX(u));
      t[2] += outer(v, quadSwapY(u));
      t[3] += outer(v, quadSwapDiagonal(u));
    }
  }
  return t;
}

@compute @workgroup_size(LANES)
fn quad(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
  let part = partOf(wg, groups);
  let q = lane % 4u;
  let m = part.tileM * 16u;
  let n = (part.tileN * LANES + lane) * 4u;
  var t = tile(part, m + q * 4u, n);
  for (var e = 0u; e < 16u * part.one; e++) {
    putRow(part.y, m + (q ^ (e / 4u)) * 4u + e % 4u, n, t[0][0]);
    t = shifted(t);
  }
}

@compute @workgroup_size(LANES)
fn quadVector(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(subgroup_invocation_id) lane: u32) {
  let part = partOf(wg, groups);
  let q = lane % 4u;
  let m = part.tileM * 16u;
  let n = (part.tileN * LANES + lane) * 4u;
  var t = tile(part, m + q * 4u, n);
  for (var e = 0u; e < 16u * part.one; e++) {
    putRow4(part.y, m + (q ^ (e / 4u)) * 4u + e % 4u, n, t[0][0]);
    t = shifted(t);
  }
}
