// The tiles of matmul-quad.wgsl and, where an edge would leave most of a tile empty, blocks of 4 x 4 per lane: up to four
// columns right of the tiles, computed along with the last ones, whose rows of A are there already, and any number of rows
// below them. What the lanes of a quad have in common they load together.

override wide: bool;   // there are tiles of that kind
override below: bool;  // there are such blocks

fn spread(v: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(quadBroadcast(v, 0u), quadBroadcast(v, 1u), quadBroadcast(v, 2u), quadBroadcast(v, 3u));
}

struct Work {
  tile: Tile,
  block: mat4x4<f32>,
}

// A tile, and of the columns right of it the lane's own four rows.
fn wideTile(part: Part, m: u32, n: u32, q: u32) -> Work {
  var rows = aRun(part.z, m, part.first);
  var columns = bRun(part.z, n, part.first);
  let right = Run(bStart(part.z, sizes.EDGE_N), mat4x4<f32>(), 0u);
  let whole = wholeSteps(part);
  var t = Tile();
  var block = mat4x4<f32>();
  for (var k = part.first; k < whole; k += 4u) {
    let u = aNext(&rows, k);
    let v = bNext(&columns, k);
    t[0] += v * u;
    t[1] += v * swapX(u);
    t[2] += v * swapY(u);
    t[3] += v * swapDiagonal(u);
    block += spread(bShare(right, k, q)) * u;
  }
  if (TAIL) {
    for (var k = whole; k < part.last; k++) {
      let u = aOne(rows, k);
      let v = bOne(columns, k);
      t[0] += outer(v, u);
      t[1] += outer(v, quadSwapX(u));
      t[2] += outer(v, quadSwapY(u));
      t[3] += outer(v, quadSwapDiagonal(u));
      block += outer(bOne(right, k), u);
    }
  }
  return Work(t, block);
}

fn belowBlock(part: Part, m: u32, n: u32, q: u32) -> mat4x4<f32> {
  let rows = Run(aStart(part.z, m), mat4x4<f32>(), 0u);
  var columns = bRun(part.z, n, part.first);
  let whole = wholeSteps(part);
  var t = mat4x4<f32>();
  for (var k = part.first; k < whole; k += 4u) {
    var v: mat4x4<f32>;
    if (B_ASKEW == 0u) { v = bNext(&columns, k); } else { v = bBlock(columns.line, k); }
    t += v * spread(aShare(rows, k, q));
  }
  if (TAIL) {
    for (var k = whole; k < part.last; k++) { t += outer(bOne(columns, k), aOne(rows, k)); }
  }
  return t;
}

// `block`: where the lane's block is, if it has one.
fn workOf(part: Part, m: u32, n: u32, q: u32, block: vec2<u32>) -> Work {
  if (below & (part.kind == BELOW)) { return Work(Tile(), belowBlock(part, block.x, block.y, q)); }
  if (wide & (part.kind == WIDE)) { return wideTile(part, m, n, q); }
  return Work(tile(part, m, n), mat4x4<f32>());
}

fn blockOf(part: Part, m: u32, lane: u32) -> vec2<u32> {
  if (part.kind == BELOW) { return belowTiles(part, lane); }
  return vec2(select(sizes.M, m, (part.kind == WIDE) & (lane < 4u)), sizes.EDGE_N);
}

@compute @workgroup_size(LANES)
fn edges(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(subgroup_invocation_id) lane: u32) {
  let part = partOf(wg, groups);
  let q = lane % 4u;
  let m = part.tileM * 16u;
  let n = (part.tileN * LANES + lane) * 4u;
  let at = blockOf(part, m + q * 4u, lane);
  var work = workOf(part, m + q * 4u, n, q, at);
  for (var e = 0u; e < select(16u, 0u, part.kind == BELOW) * part.one; e++) {
    let row = m + (q ^ (e / 4u)) * 4u + e % 4u;
    if (wide) { putInside(part.y, row, n, work.tile[0][0]); } else { putRow(part.y, row, n, work.tile[0][0]); }
    work.tile = shifted(work.tile);
  }
  for (var e = 0u; e < select(4u, 0u, part.kind == TILE) * part.one; e++) {
    putRow(part.y, at.x + e, at.y, work.block[0]);
    work.block = mat4x4(work.block[1], work.block[2], work.block[3], work.block[3]);
  }
}

@compute @workgroup_size(LANES)
fn edgesVector(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(subgroup_invocation_id) lane: u32) {
  let part = partOf(wg, groups);
  let q = lane % 4u;
  let m = part.tileM * 16u;
  let n = (part.tileN * LANES + lane) * 4u;
  let at = blockOf(part, m + q * 4u, lane);
  var work = workOf(part, m + q * 4u, n, q, at);
  for (var e = 0u; e < select(16u, 0u, part.kind == BELOW) * part.one; e++) {
    putRow4(part.y, m + (q ^ (e / 4u)) * 4u + e % 4u, n, work.tile[0][0]);
    work.tile = shifted(work.tile);
  }
  for (var e = 0u; e < select(4u, 0u, part.kind == TILE) * part.one; e++) {
    putRow4(part.y, at.x + e, at.y, work.block[0]);
    work.block = mat4x4(work.block[1], work.block[2], work.block[3], work.block[3]);
  }
}
