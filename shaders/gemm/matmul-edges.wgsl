// The tiles of matmul-quad.wgsl and, where an edge would leave most of a tile empty, blocks of 4 x 4 per lane right of the
// tiles and below them. What the lanes of a quad have in common, columns on the right and rows below, they load together.

override right: bool;  // there are such blocks
override below: bool;

// A pair of ks of every lane in the quad.
fn gathered(pair: vec2<f32>) -> mat4x2<f32> {
  return mat4x2(quadBroadcast(pair, 0u), quadBroadcast(pair, 1u), quadBroadcast(pair, 2u), quadBroadcast(pair, 3u));
}

// ks k and k + 1 of the row that begins at `at`.
fn aShare(at: u32, step: u32, k: u32, last: u32) -> vec2<f32> {
  if (A_PAIRS & !TRANSPOSE_A) { return a2[(at + k) >> 1u]; }
  return vec2(a[at + k * step], unlessOver(vec4(a[at + (k + 1u) * step]), k, last).x);
}

fn bShare(at: u32, step: u32, k: u32, last: u32) -> vec2<f32> {
  if (B_PAIRS & TRANSPOSE_B) { return b2[(at + k) >> 1u]; }
  return vec2(b[at + k * step], unlessOver(vec4(b[at + (k + 1u) * step]), k, last).x);
}

fn rightBlock(part: Part, m: u32, n: u32, q: u32) -> mat4x4<f32> {
  var rows = aRun(part.z, m, part.first);
  let columns = bRun(part.z, n, part.first);
  let own = columns.at[q];
  var t = mat4x4<f32>();
  for (var k = part.first; k < part.last; k += 2u) {
    t += transpose(gathered(bShare(own, columns.step, k, part.last))) * aPair(&rows, k, part.last);
  }
  return t;
}

fn belowBlock(part: Part, m: u32, n: u32, q: u32) -> mat4x4<f32> {
  let rows = aRun(part.z, m, part.first);
  var columns = bRun(part.z, n, part.first);
  let own = rows.at[q];
  var t = mat4x4<f32>();
  for (var k = part.first; k < part.last; k += 2u) {
    t += bPair(&columns, k, part.last) * gathered(aShare(own, rows.step, k, part.last));
  }
  return t;
}

// Row and column of a lane's block. Quads have columns or rows in common; what that leaves over lies outside y.
fn blockAt(part: Part, lane: u32) -> vec2<u32> {
  let block = part.tileN * LANES + lane;
  if (right & (part.kind == RIGHT)) {
    let down = (min(sizes.M, sizes.EDGE_M) + 15u) / 16u * 4u;
    let across = block / down;
    return vec2((block - across * down) * 4u, sizes.EDGE_N + across * 4u);
  }
  let across = (sizes.N + 15u) / 16u * 4u;
  let down = block / across;
  return vec2(sizes.EDGE_M + down * 4u, (block - down * across) * 4u);
}

fn blockOf(part: Part, at: vec2<u32>, q: u32) -> mat4x4<f32> {
  if (right & (part.kind == RIGHT)) { return rightBlock(part, at.x, at.y, q); }
  if (below) { return belowBlock(part, at.x, at.y, q); }
  return mat4x4<f32>();
}

@compute @workgroup_size(LANES)
fn edges(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(subgroup_invocation_id) lane: u32) {
  let part = partOf(wg, groups);
  let q = lane % 4u;
  if (part.kind != TILE) {
    let at = blockAt(part, lane);
    var block = blockOf(part, at, q);
    for (var e = 0u; e < 4u * part.one; e++) {
      putRow(part.y, at.x + e, at.y, block[0]);
      block = mat4x4(block[1], block[2], block[3], block[3]);
    }
  } else {
    let m = part.tileM * 16u;
    let n = (part.tileN * LANES + lane) * 4u;
    var t = tile(part, m + q * 4u, n);
    for (var e = 0u; e < 16u * part.one; e++) {
      let row = m + (q ^ (e / 4u)) * 4u + e % 4u;
      if (right) { putInside(part.y, row, n, t[0][0]); } else { putRow(part.y, row, n, t[0][0]); }
      t = shifted(t);
    }
  }
}

@compute @workgroup_size(LANES)
fn edgesVector(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(subgroup_invocation_id) lane: u32) {
  let part = partOf(wg, groups);
  let q = lane % 4u;
  if (part.kind != TILE) {
    let at = blockAt(part, lane);
    var block = blockOf(part, at, q);
    for (var e = 0u; e < 4u * part.one; e++) {
      putRow4(part.y, at.x + e, at.y, block[0]);
      block = mat4x4(block[1], block[2], block[3], block[3]);
    }
  } else {
    let m = part.tileM * 16u;
    let n = (part.tileN * LANES + lane) * 4u;
    var t = tile(part, m + q * 4u, n);
    for (var e = 0u; e < 16u * part.one; e++) {
      putRow4(part.y, m + (q ^ (e / 4u)) * 4u + e % 4u, n, t[0][0]);
      t = shifted(t);
    }
  }
}
