// Backward pass of attention in one dispatch: workgroups for the gradient of q, then workgroups for those of k and v. Scores are
// computed again. With P = 2^(score - lse), D = sum of dy y per query, M what dropout multiplies weights by:
//   dv = (P M)ᵀ dy     dS = P (M (dy vᵀ) - D) scale     dq = dS k     dk = dSᵀ q
// Needs attention-fragment.wgsl. qkv and dqkv: q, k and v in one buffer, by offsets and strides; dy and y alike.

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> lse: array<f32>;
@group(0) @binding(7) var<storage, read_write> dqkv: array<vec4<f32>>;

// Rows that all lanes read: keys and values, or queries and their dy. Part e of the row is at[row] + e; rows from `count` on are zeros.
struct Rows {
  at: u32,
  stride: u32,
  last: u32,   // row that there is
  count: u32,
  tile: u32,   // first row of these in a tile
}

fn rowAt(r: Rows, isDy: bool, row: u32, e: u32, first: u32) -> vec4<f32> {
  if (TILED) { return tileAt((r.tile + row - first) * sizes.E4 + e); }
  let at = r.at + min(row, r.last) * r.stride + e;
  if (isDy) { return select(vec4<f32>(), dy[at], row < r.count); }
  return select(vec4<f32>(), qkv[at], row < r.count);
}

fn rowsAt(r: Rows, isDy: bool, row: u32, e: u32, first: u32) -> mat4x4<f32> {
  return mat4x4(
    rowAt(r, isDy, row, e, first), rowAt(r, isDy, row + 1u, e, first),
    rowAt(r, isDy, row + 2u, e, first), rowAt(r, isDy, row + 3u, e, first),
  );
}

fn blocksAt(r: Rows, isDy: bool, first: u32, lane: u32, e: u32) -> Blocks {
  let own = rowsAt(r, isDy, first + 4u * quadLane(lane), e, first);
  if (QUADS) { return spread(own); }
  return Blocks(
    own, rowsAt(r, isDy, first + 4u, e, first), rowsAt(r, isDy, first + 8u, e, first), rowsAt(r, isDy, first + 12u, e, first),
  );
}

fn fillTile(r: Rows, isDy: bool, first: u32, lane: u32) {
  for (var i = lane; i < 16u * sizes.E4; i += LANES) {
    let row = first + i / sizes.E4;
    let at = r.at + min(row, r.last) * r.stride + i % sizes.E4;
    var part = qkv[at];
    if (isDy) { part = dy[at]; }
    put(r.tile * sizes.E4 + i, select(vec4<f32>(), part, row < r.count));
  }
}

// The four rows of a lane.
fn ownAt(at: vec4<u32>, e: u32) -> mat4x4<f32> {
  return mat4x4(qkv[at.x + e], qkv[at.y + e], qkv[at.z + e], qkv[at.w + e]);
}

fn ownDy(at: vec4<u32>, e: u32) -> mat4x4<f32> { return mat4x4(dy[at.x + e], dy[at.y + e], dy[at.z + e], dy[at.w + e]); }

// Adds to the gradient of the lane's own rows, of those that there are.
fn addTo(at: vec4<u32>, row: vec4<u32>, count: u32, sum: mat4x4<f32>) {
  if (row.x < count) { dqkv[at.x] += sum[0]; }
  if (row.y < count) { dqkv[at.y] += sum[1]; }
  if (row.z < count) { dqkv[at.z] += sum[2]; }
  if (row.w < count) { dqkv[at.w] += sum[3]; }
}

fn clear(at: vec4<u32>, row: vec4<u32>, count: u32) {
  for (var e = 0u; e < sizes.E4; e++) {
    if (row.x < count) { dqkv[at.x + e] = vec4<f32>(); }
    if (row.y < count) { dqkv[at.y + e] = vec4<f32>(); }
    if (row.z < count) { dqkv[at.z + e] = vec4<f32>(); }
    if (row.w < count) { dqkv[at.w + e] = vec4<f32>(); }
  }
}

fn product(a: Blocks, b: Blocks) -> mat4x4<f32> { return (a.a * b.a + a.b * b.b) + (a.c * b.c + a.d * b.d); }

// A column of gradients: of query i, for keys j to j + 3.
struct Column {
  p: vec4<f32>,   // weights after dropout
  ds: vec4<f32>,
}

fn columnOf(t: vec4<f32>, u: vec4<f32>, n: u32, h: u32, i: u32, j: u32, limit: i32, lse: f32, d: f32) -> Column {
  let s = scoresOf(t, n, h, i, j, limit);
  // Drivers return numbers for exp2(NaN).
  let p = select(weightsOf(s, lse), vec4(lse), isNan4(vec4(lse)));
  var kept = vec4(1.0);
  if (CHANCE > 0u) { kept = keptOf((n * sizes.H + h) * sizes.L + i, j); }
  let ds = select(p * (u * kept - d) * scale, vec4<f32>(), s == vec4(HIDDEN));
  return Column(p * kept, ds);
}

struct Pair {
  p: mat4x4<f32>,
  ds: mat4x4<f32>,
}

// Of queries i for keys j to j + 3.
fn pairOf(t: mat4x4<f32>, u: mat4x4<f32>, n: u32, h: u32, i: u32, j: u32, limits: vec4<i32>, lse: vec4<f32>,
          d: vec4<f32>) -> Pair {
  let a = columnOf(t[0], u[0], n, h, i, j, limits.x, lse.x, d.x);
  let b = columnOf(t[1], u[1], n, h, i + 1u, j, limits.y, lse.y, d.y);
  let c = columnOf(t[2], u[2], n, h, i + 2u, j, limits.z, lse.z, d.z);
  let e = columnOf(t[3], u[3], n, h, i + 3u, j, limits.w, lse.w, d.w);
  return Pair(mat4x4(a.p, b.p, c.p, e.p), mat4x4(a.ds, b.ds, c.ds, e.ds));
}

fn lseOf(row: u32, i: vec4<u32>) -> vec4<f32> {
  let at = vec4(row) + min(i, vec4(sizes.L - 1u));
  return vec4(lse[at.x], lse[at.y], lse[at.z], lse[at.w]);
}

// Sums of dy y of four queries.
fn deltaOf(at: vec4<u32>) -> vec4<f32> {
  var d = vec4<f32>();
  for (var e = 0u; e < sizes.E4; e++) {
    d += vec4(
      dot(dy[at.x + e], y[at.x + e]), dot(dy[at.y + e], y[at.y + e]),
      dot(dy[at.z + e], y[at.z + e]), dot(dy[at.w + e], y[at.w + e]),
    );
  }
  return d;
}

// Four queries per lane, 16 keys at a time.
fn queryGradient(index: u32, lane: u32) {
  let rows = 4u * LANES;
  let blocks = (sizes.L + rows - 1u) / rows;
  let first = (blocks - 1u - index % blocks) * rows;
  let h = (index / blocks) % sizes.H;
  let n = index / (blocks * sizes.H);
  let i = four(first + 4u * lane);
  let inside = min(i, vec4(sizes.L - 1u));
  let qAt = vec4(sizes.QO + n * sizes.QN + h * sizes.QH) + inside * sizes.QT;
  let yAt = vec4(n * sizes.YN + h * sizes.YH) + inside * sizes.YT;
  let row = (n * sizes.H + h) * sizes.L;
  let length = lengthOf(n);
  let limits = limitsOf(i, length);
  let end = u32(limitOf(min(first + rows, sizes.L) - 1u, length));
  let last = sizes.S - 1u;
  let keys = Rows(sizes.KO + n * sizes.KN + (h / sizes.G) * sizes.KH, sizes.KT, last, u32(length), 0u);
  let values = Rows(sizes.VO + n * sizes.VN + (h / sizes.G) * sizes.VH, sizes.VT, last, u32(length), 16u);
  let d = deltaOf(yAt);
  let logs = lseOf(row, i);
  clear(qAt, i, sizes.L);
  for (var j = 0u; j < end; j += 16u) {
    if (TILED) {
      sync();
      fillTile(keys, false, j, lane);
      fillTile(values, false, j, lane);
      sync();
    }
    var t = Blocks();
    var u = Blocks();
    for (var e = 0u; e < sizes.E4; e++) {
      let x = ownAt(qAt, e);
      let k = blocksAt(keys, false, j, lane, e);
      t = Blocks(t.a + transpose(k.a) * x, t.b + transpose(k.b) * x, t.c + transpose(k.c) * x, t.d + transpose(k.d) * x);
      let g = ownDy(yAt, e);
      let v = blocksAt(values, false, j, lane, e);
      u = Blocks(u.a + transpose(v.a) * g, u.b + transpose(v.b) * g, u.c + transpose(v.c) * g, u.d + transpose(v.d) * g);
    }
    // One block after another, first out and last in: this code four times takes four times as long to compile.
    for (var p = 0u; p < 4u; p++) {
      let ds = pairOf(t.a, u.a, n, h, i.x, j + blockRow(lane, p), limits, logs, d).ds;
      t = Blocks(t.b, t.c, t.d, ds);
      u = Blocks(u.b, u.c, u.d, u.d);
    }
    for (var e = 0u; e < sizes.E4; e++) { addTo(qAt + e, i, sizes.L, product(blocksAt(keys, false, j, lane, e), t)); }
  }
}

// Four keys per lane, 16 queries at a time.
fn keyGradient(index: u32, lane: u32) {
  let rows = 4u * LANES;
  let blocks = (sizes.S + rows - 1u) / rows;
  let first = (index % blocks) * rows;
  let heads = sizes.H / sizes.G;
  let kv = (index / blocks) % heads;
  let n = index / (blocks * heads);
  let j = four(first + 4u * lane);
  let inside = min(j, vec4(sizes.S - 1u));
  let kAt = vec4(sizes.KO + n * sizes.KN + kv * sizes.KH) + inside * sizes.KT;
  let vAt = vec4(sizes.VO + n * sizes.VN + kv * sizes.VH) + inside * sizes.VT;
  let length = lengthOf(n);
  clear(kAt, j, sizes.S);
  clear(vAt, j, sizes.S);
  if (i32(first) >= length) { return; }
  // The first query that sees a key of these.
  var start = 0u;
  if (CAUSAL > 0u) { start = u32(max(0, i32(first) - causalShift(length))); }
  for (var h = kv * sizes.G; h < (kv + 1u) * sizes.G; h++) {
    let queries = Rows(sizes.QO + n * sizes.QN + h * sizes.QH, sizes.QT, sizes.L - 1u, sizes.L, 0u);
    let yAt = n * sizes.YN + h * sizes.YH;
    let results = Rows(yAt, sizes.YT, sizes.L - 1u, sizes.L, 16u);
    let row = (n * sizes.H + h) * sizes.L;
    for (var i = start; i < sizes.L; i += 16u) {
      if (TILED) {
        sync();
        fillTile(queries, false, i, lane);
        fillTile(results, true, i, lane);
        sync();
      }
      var t = Blocks();
      var u = Blocks();
      for (var e = 0u; e < sizes.E4; e++) {
        let x = transpose(ownAt(kAt, e));
        let q = blocksAt(queries, false, i, lane, e);
        t = Blocks(t.a + x * q.a, t.b + x * q.b, t.c + x * q.c, t.d + x * q.d);
        let z = transpose(ownAt(vAt, e));
        let g = blocksAt(results, true, i, lane, e);
        u = Blocks(u.a + z * g.a, u.b + z * g.b, u.c + z * g.c, u.d + z * g.d);
      }
      let own = i + 4u * quadLane(lane);
      var deltas = deltaBlocks(yAt, own, i, lane);
      for (var p = 0u; p < 4u; p++) {
        let first = i + blockRow(lane, p);
        let pair = pairOf(t.a, u.a, n, h, first, j.x, limitsOf(four(first), length), lseOf(row, four(first)), deltas[0]);
        t = Blocks(t.b, t.c, t.d, transpose(pair.ds));
        u = Blocks(u.b, u.c, u.d, transpose(pair.p));
        deltas = mat4x4(deltas[1], deltas[2], deltas[3], deltas[3]);
      }
      for (var e = 0u; e < sizes.E4; e++) {
        addTo(vAt + e, j, sizes.S, product(blocksAt(results, true, i, lane, e), u));
        addTo(kAt + e, j, sizes.S, product(blocksAt(queries, false, i, lane, e), t));
      }
    }
  }
}

// D of the 16 queries from i on, in the order of the blocks of this lane.
fn deltaBlocks(yAt: u32, own: u32, i: u32, lane: u32) -> mat4x4<f32> {
  if (TILED) {
    // One query per lane.
    let at = 32u * sizes.E4;
    if (lane < 16u) {
      put(at + lane, vec4(deltaOf(vec4(yAt + min(i + lane, sizes.L - 1u) * sizes.YT)).x));
    }
    sync();
    return mat4x4(deltasAt(at), deltasAt(at + 4u), deltasAt(at + 8u), deltasAt(at + 12u));
  }
  let d = deltaOf(vec4(yAt) + min(four(own), vec4(sizes.L - 1u)) * sizes.YT);
  if (QUADS) {
    let all = spread(mat4x4(d, vec4<f32>(), vec4<f32>(), vec4<f32>()));
    return mat4x4(all.a[0], all.b[0], all.c[0], all.d[0]);
  }
  let last = vec4(sizes.L - 1u);
  return mat4x4(
    d, deltaOf(vec4(yAt) + min(four(i + 4u), last) * sizes.YT), deltaOf(vec4(yAt) + min(four(i + 8u), last) * sizes.YT),
    deltaOf(vec4(yAt) + min(four(i + 12u), last) * sizes.YT),
  );
}

fn deltasAt(at: u32) -> vec4<f32> { return vec4(tileAt(at).x, tileAt(at + 1u).x, tileAt(at + 2u).x, tileAt(at + 3u).x); }

@compute @workgroup_size(LANES)
fn attentionBackward(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                     @builtin(local_invocation_index) lane: u32) {
  let rows = 4u * LANES;
  let index = wg.y * groups.x + wg.x;
  let queries = (sizes.L + rows - 1u) / rows * sizes.N * sizes.H;
  let keys = (sizes.S + rows - 1u) / rows * sizes.N * (sizes.H / sizes.G);
  if (index < queries) {
    queryGradient(index, lane);
  } else if (index < queries + keys) {
    keyGradient(index - queries, lane);
  }
}
