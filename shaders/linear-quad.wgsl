// Gradients of a linear layer without workgroup memory or barriers: the four lanes of a quad swap the rows they loaded.
// 16 rows x 4 columns per lane, 16 x 4 LANES per workgroup. Needs linear-blocks.wgsl.
enable subgroups;

override LANES: u32;  // the adapter's subgroup size, a multiple of 4

fn swapX(m: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(quadSwapX(m[0]), quadSwapX(m[1]), quadSwapX(m[2]), quadSwapX(m[3]));
}

fn swapY(m: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(quadSwapY(m[0]), quadSwapY(m[1]), quadSwapY(m[2]), quadSwapY(m[3]));
}

fn swapDiagonal(m: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(quadSwapDiagonal(m[0]), quadSwapDiagonal(m[1]), quadSwapDiagonal(m[2]), quadSwapDiagonal(m[3]));
}

// Block p of a tile: rows of the lane whose number in the quad is this one's XOR p. `one` is num_workgroups.z, which is 1,
// but compilers do not know it: a loop whose bound is multiplied by it stays a loop. Unrolled, loops of memory accesses
// take seconds to compile on CPU adapters.
fn inputTile(n: vec4<u32>, i: vec4<u32>, one: u32) -> Tile {
  var t = Tile();
  for (var o = 0u; o < OUT * one; o += 4u) {
    let u = dyOverOs(n, o);
    let v = wOverIs(o, i);
    t[0] += v * u;
    t[1] += v * swapX(u);
    t[2] += v * swapY(u);
    t[3] += v * swapDiagonal(u);
  }
  return t;
}

fn weightTile(o: vec4<u32>, i: vec4<u32>, one: u32) -> Tile {
  var t = Tile();
  for (var n = 0u; n < N * one; n += 4u) {
    let u = dyOverNs(n, o);
    let v = xOverIs(n, i);
    t[0] += v * u;
    t[1] += v * swapX(u);
    t[2] += v * swapY(u);
    t[3] += v * swapDiagonal(u);
  }
  return t;
}

@compute @workgroup_size(LANES)
fn quad(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
  let job = jobOf(wg.y * groups.x + wg.x);
  let q = lane % 4u;
  let row = job.row * 16u;
  let i = (job.column * LANES + lane) * 4u;
  if (job.kind == INPUT) {
    var t = inputTile(four(row + q * 4u, N), four(i, IN), groups.z);
    for (var e = 0u; e < 16u * groups.z; e++) {
      putInput(row + (q ^ (e / 4u)) * 4u + e % 4u, i, t[0][0]);
      t = shifted(t);
    }
  } else if (job.kind == WEIGHT) {
    var t = weightTile(four(row + q * 4u, OUT), four(i, IN), groups.z);
    for (var e = 0u; e < 16u * groups.z; e++) {
      putWeight(row + (q ^ (e / 4u)) * 4u + e % 4u, i, t[0][0]);
      t = shifted(t);
    }
  } else {
    let o = (job.row * LANES + lane) * 4u;
    putBias(o, biasSums(o, 0u, N * groups.z, 1u));
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
  if (job.kind == INPUT) {
    var t = inputTile(four(row + q * 4u, N), four(i, IN), groups.z);
    for (var e = 0u; e < 16u * groups.z; e++) {
      putInput4(row + (q ^ (e / 4u)) * 4u + e % 4u, i, t[0][0]);
      t = shifted(t);
    }
  } else if (job.kind == WEIGHT) {
    var t = weightTile(four(row + q * 4u, OUT), four(i, IN), groups.z);
    for (var e = 0u; e < 16u * groups.z; e++) {
      putWeight4(row + (q ^ (e / 4u)) * 4u + e % 4u, i, t[0][0]);
      t = shifted(t);
    }
  } else {
    let o = (job.row * LANES + lane) * 4u;
    putBias(o, biasSums(o, 0u, N * groups.z, 1u));
  }
}
