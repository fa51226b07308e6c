// FRAGMENT: a tile, see gemm-fragment.wgsl. For adapters where loads are expensive and the invocations of a subgroup run in
// lockstep: no workgroup memory, no barriers. A workgroup is one subgroup and has 16 rows x 4 LANES columns. The four
// lanes of a quad each load four of the 16 rows of A and exchange them, so that every lane has all 16.
// Two k steps per iteration: four overflow the instruction cache of software adapters and compile 50 % slower.
enable subgroups;

override LANES: u32;           // the adapter's subgroup size, a multiple of 4
override SEPARATE_LOOPS: bool; // z is 0 or 1, and each gets a loop of its own, compiled for its z

// What the neighbour of this lane in the quad loaded: of the one beside, the one below, the one across.
fn swapX(m: mat4x2<f32>) -> mat4x2<f32> {
  return mat4x2(quadSwapX(m[0]), quadSwapX(m[1]), quadSwapX(m[2]), quadSwapX(m[3]));
}

fn swapY(m: mat4x2<f32>) -> mat4x2<f32> {
  return mat4x2(quadSwapY(m[0]), quadSwapY(m[1]), quadSwapY(m[2]), quadSwapY(m[3]));
}

fn swapDiagonal(m: mat4x2<f32>) -> mat4x2<f32> {
  return mat4x2(quadSwapDiagonal(m[0]), quadSwapDiagonal(m[1]), quadSwapDiagonal(m[2]), quadSwapDiagonal(m[3]));
}

// `terms` with k + 1 zero where it lies beyond the last.
fn inside(terms: mat2x4<f32>, k: u32, last: u32) -> mat2x4<f32> {
  if (K_TAIL) { return mat2x4(terms[0], select(vec4<f32>(), terms[1], vec4(k + 1u < last))); }
  return terms;
}

// Block p has the rows that were loaded by the lane whose number in the quad is this one's XOR p.
fn sumsOf(work: Work, z: u32, m: u32, n: u32) -> Tile {
  let rows = rowsOf(z, m);
  let columns = columnsOf(z, n);
  var t = Tile();
  var counter = counterFrom(work.first);
  for (var k = work.first; k < work.last; k += 2u) {
    let steps = stepsOf(counter, k);
    let u = transpose(inside(aPair(z, rows, steps), k, work.last));
    let v = inside(bPair(z, columns, steps), k, work.last);
    t[0] += v * u;
    t[1] += v * swapX(u);
    t[2] += v * swapY(u);
    t[3] += v * swapDiagonal(u);
    counter = counterAfter(counter, k + 2u);
  }
  return t;
}

@compute @workgroup_size(LANES)
fn subgroupTile(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(subgroup_invocation_id) lane: u32) {
  let work = workOf(wg, groups);
  let q = lane % 4u;
  let m = work.tileM * 16u;
  let n = (work.tileN * LANES + lane) * 4u;
  var t: Tile;
  if (!SEPARATE_LOOPS) {
    t = sumsOf(work, work.z, m + q * 4u, n);
  } else if (work.z == 1u) {
    t = sumsOf(work, 1u, m + q * 4u, n);
  } else {
    t = sumsOf(work, 0u, m + q * 4u, n);
  }
  for (var e = 0u; e < 16u * work.one; e++) {
    store(work.to, m + (q ^ (e / 4u)) * 4u + e % 4u, n, t[0][0]);
    t = shifted(t);
  }
}
