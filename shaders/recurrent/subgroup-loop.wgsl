// Fragment with an entry point, for recurrence-fragment.wgsl or recurrence-backward-fragment.wgsl: all steps in one dispatch, for
// adapters where loads and barriers are expensive and the invocations of a subgroup run in lockstep. A workgroup is one
// subgroup and takes 16 samples; the products are those of gemm/subgroup-tile-fragment.wgsl: lanes of a quad exchange rows of A.
enable subgroups;

override LANES: u32;  // the adapter's subgroup size, a multiple of 4
// No sample or unit of a tile lies outside: branches that differ between lanes make every access in them expensive.
override WHOLE: bool = N % 16u == 0u && H % (LANES * select(1u, 4u, SUMS == 1u)) == 0u;

fn keepRow(n: u32, i: u32, v: f32) {}

fn swapX(m: mat4x2<f32>) -> mat4x2<f32> {
  return mat4x2(quadSwapX(m[0]), quadSwapX(m[1]), quadSwapX(m[2]), quadSwapX(m[3]));
}

fn swapY(m: mat4x2<f32>) -> mat4x2<f32> {
  return mat4x2(quadSwapY(m[0]), quadSwapY(m[1]), quadSwapY(m[2]), quadSwapY(m[3]));
}

fn swapDiagonal(m: mat4x2<f32>) -> mat4x2<f32> {
  return mat4x2(quadSwapDiagonal(m[0]), quadSwapDiagonal(m[1]), quadSwapDiagonal(m[2]), quadSwapDiagonal(m[3]));
}

// Four blocks of four samples, one per column, times four sums. Block p has the samples that were loaded by the lane whose
// number in the quad is this one's XOR p.
alias Sums = array<mat4x4<f32>, 4>;

// `t` with every column moved one place up, so that a loop can take one after another without indexing.
fn shifted(t: Sums) -> Sums {
  return Sums(mat4x4(t[0][1], t[0][2], t[0][3], t[1][0]), mat4x4(t[1][1], t[1][2], t[1][3], t[2][0]),
              mat4x4(t[2][1], t[2][2], t[2][3], t[3][0]), mat4x4(t[3][1], t[3][2], t[3][3], t[3][3]));
}

// Terms at k and k + 1, zero beyond the last.
fn inside(m: mat2x4<f32>, k: u32) -> mat2x4<f32> {
  if (INNER % 2u == 0u) { return m; }
  return mat2x4(m[0], select(vec4<f32>(), m[1], vec4(k + 1u < INNER)));
}

// `last`: INNER, as a value that compilers do not know: they unroll loops of known length, which takes seconds to compile.
fn sumsOf(rows: vec4<u32>, j: u32, last: u32) -> Sums {
  let columns = bColumns(j);
  var t = Sums();
  for (var k = 0u; k < last; k += 2u) {
    let loaded = mat4x2(aPair(rows.x + k), aPair(rows.y + k), aPair(rows.z + k), aPair(rows.w + k));
    let u = transpose(inside(transpose(loaded), k));
    let v = inside(bPair(columns, k), k);
    t[0] += v * u;
    t[1] += v * swapX(u);
    t[2] += v * swapY(u);
    t[3] += v * swapDiagonal(u);
  }
  return t;
}

@compute @workgroup_size(LANES)
fn subgroupLoop(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(subgroup_invocation_id) lane: u32) {
  let first = (wg.y * groups.x + wg.x) * 16u;
  let own = min(first + lane % 4u * 4u + vec4(0u, 1u, 2u, 3u), vec4(N - 1u));
  let each = select(1u, 4u, SUMS == 1u);  // units per lane
  for (var n = first; n < min(first + 16u, N); n++) {
    for (var j = lane; j < H; j += LANES) { begin(n, j); }
  }
  storageBarrier();
  for (var s = 0u; s < SWEEPS; s++) {
    let last = select(0u, INNER * groups.z, hasProduct(s));
    let rows = vec4(aRow(own.x, s), aRow(own.y, s), aRow(own.z, s), aRow(own.w, s));
    for (var start = 0u; start < H; start += LANES * each) {
      let j = start + lane * each;
      var t = sumsOf(rows, j, last);
      for (var e = 0u; e < 16u * groups.z; e++) {
        let n = first + ((lane % 4u) ^ (e / 4u)) * 4u + e % 4u;
        var v = t[0][0];
        for (var unit = j; unit < j + each; unit++) {
          if (WHOLE || (n < N && unit < H)) { advance(n, s, unit, v); }
          v = v.yzwx;
        }
        t = shifted(t);
      }
    }
    storageBarrier();
  }
}
