// Gradients of a linear layer without workgroup memory or barriers: the four lanes of a quad swap the rows they loaded.
// 16 rows x 4 columns per lane, 16 x 4 LANES per workgroup; dw's tiles have db too. Needs linear-blocks.wgsl.
enable subgroups;

override LANES: u32;   // the adapter's subgroup size, a multiple of 4
override RAGGED: bool; // N or OUT may be no multiple of 4
override SHARED: bool; // dx and dw come out of one loop: half the code to compile

fn swapX(m: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(quadSwapX(m[0]), quadSwapX(m[1]), quadSwapX(m[2]), quadSwapX(m[3]));
}

fn swapY(m: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(quadSwapY(m[0]), quadSwapY(m[1]), quadSwapY(m[2]), quadSwapY(m[3]));
}

fn swapDiagonal(m: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(quadSwapDiagonal(m[0]), quadSwapDiagonal(m[1]), quadSwapDiagonal(m[2]), quadSwapDiagonal(m[3]));
}

// num_workgroups.z is 1, but compilers do not know it: a loop whose bound is multiplied by it stays a loop. Unrolled, loops
// of memory accesses take seconds to compile on CPU adapters.

struct Sums {
  tile: Tile,    // block p: rows of the lane whose number in the quad is this one's XOR p
  dy: vec4<f32>, // of the lane's own rows
}

// Columns i … i + 3 of dx, or with `weight` of dw, in the sixteen rows of which the lane has those from `row` on.
fn sumsOf(weight: bool, row: u32, i: u32, one: u32) -> Sums {
  let IN = sizes.IN;
  let OUT = sizes.OUT;
  let count = select(OUT, sizes.N, weight);
  let columns = four(i, IN);
  let rows = four(row, select(sizes.N, OUT, weight));
  let single = OUT % 4u != 0u;
  var t = Tile();
  var own = vec4<f32>();
  for (var k = 0u; k < count * one; k += 4u) {
    var ks = k + STEPS;
    if (RAGGED) { ks = min(ks, vec4(count - 1u)); }
    let at = select(rows * OUT + k, ks * OUT + rows.x, vec4(weight));
    var stored = mat4x4(dy[at.x / 4u], dy[at.y / 4u], dy[at.z / 4u], dy[at.w / 4u]);
    if (RAGGED) {
      for (var e = 0u; e < select(0u, 4u, single) * one; e++) {
        stored = mat4x4(stored[1], stored[2], stored[3], dyRow(select(rows[e] * OUT + ks, ks[e] * OUT + rows, vec4(weight))));
      }
    }
    var u = stored;
    if (weight) { u = transpose(stored); }
    var v: mat4x4<f32>;
    if (weight) { v = xBlock(ks * IN, columns); } else { v = wBlock(ks * IN, columns); }
    if (RAGGED) { v = inside(v, k, count); }
    t[0] += v * u;
    t[1] += v * swapX(u);
    t[2] += v * swapY(u);
    t[3] += v * swapDiagonal(u);
    if (RAGGED) {
      own += vec4<f32>(k + STEPS < vec4(count)) * u;
    } else if (weight) {
      own += stored[0] + stored[1] + stored[2] + stored[3];
    }
  }
  return Sums(t, own);
}

@compute @workgroup_size(LANES)
fn quad(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
  let job = jobOf(wg.y * groups.x + wg.x);
  let q = lane % 4u;
  let row = job.row * 16u;
  let i = (job.column * LANES + lane) * 4u;
  let to = targetOf(job.kind == WEIGHT);
  var sums: Sums;
  if (SHARED) {
    sums = sumsOf(job.kind == WEIGHT, row + q * 4u, i, groups.z);
  } else if (job.kind == WEIGHT) {
    sums = sumsOf(true, row + q * 4u, i, groups.z);
  } else {
    sums = sumsOf(false, row + q * 4u, i, groups.z);
  }
  if (to.weight & (sizes.BIAS == 1u) & (i < 16u)) { putBias(row + q * 4u, sums.dy); }
  var t = sums.tile;
  for (var e = 0u; e < 16u * groups.z; e++) {
    put(to, row + (q ^ (e / 4u)) * 4u + e % 4u, i, t[0][0]);
    t = shifted(t);
  }
}

// The same where IN is a multiple of 4.
@compute @workgroup_size(LANES)
fn quadVector(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(subgroup_invocation_id) lane: u32) {
  let job = jobOf(wg.y * groups.x + wg.x);
  let q = lane % 4u;
  let row = job.row * 16u;
  let i = (job.column * LANES + lane) * 4u;
  let to = targetOf(job.kind == WEIGHT);
  var sums: Sums;
  if (SHARED) {
    sums = sumsOf(job.kind == WEIGHT, row + q * 4u, i, groups.z);
  } else if (job.kind == WEIGHT) {
    sums = sumsOf(true, row + q * 4u, i, groups.z);
  } else {
    sums = sumsOf(false, row + q * 4u, i, groups.z);
  }
  if (to.weight & (sizes.BIAS == 1u) & (i < 16u)) { putBias(row + q * 4u, sums.dy); }
  var t = sums.tile;
  for (var e = 0u; e < 16u * groups.z; e++) {
    put4(to, row + (q ^ (e / 4u)) * 4u + e % 4u, i, t[0][0]);
    t = shifted(t);
  }
}
