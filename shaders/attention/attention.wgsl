// Forward pass of attention with an online softmax: y = softmax(q kᵀ scale) v, and for the backward pass lse, the logarithm to base 2
// of the sum of 2^score per query. Needs attention-fragment.wgsl. q [N, H, L, 4 E4], k and v [N, H / G, S, 4 E4] and y like q by
// strides; lse [N, H, L]. y holds the sums until the last key. NaN where a score is not finite; 0 where a query sees no key.

@group(0) @binding(0) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> k: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> lse: array<f32>;

// Part e of key j or of its value; keys that are not valid are zeros. In a tile, of 16 keys from `first` on.
fn keyAt(at: u32, j: u32, e: u32, length: i32, first: u32) -> vec4<f32> {
  if (TILED) { return tileAt((j - first) * sizes.E4 + e); }
  return select(vec4<f32>(), k[at + min(j, sizes.S - 1u) * sizes.KT + e], i32(j) < length);
}

fn valueAt(at: u32, j: u32, e: u32, length: i32, first: u32) -> vec4<f32> {
  if (TILED) { return tileAt((16u + j - first) * sizes.E4 + e); }
  return select(vec4<f32>(), v[at + min(j, sizes.S - 1u) * sizes.VT + e], i32(j) < length);
}

fn keysAt(at: u32, j: u32, e: u32, length: i32, first: u32) -> mat4x4<f32> {
  return mat4x4(
    keyAt(at, j, e, length, first), keyAt(at, j + 1u, e, length, first),
    keyAt(at, j + 2u, e, length, first), keyAt(at, j + 3u, e, length, first),
  );
}

fn valuesAt(at: u32, j: u32, e: u32, length: i32, first: u32) -> mat4x4<f32> {
  return mat4x4(
    valueAt(at, j, e, length, first), valueAt(at, j + 1u, e, length, first),
    valueAt(at, j + 2u, e, length, first), valueAt(at, j + 3u, e, length, first),
  );
}

fn keyBlocks(at: u32, j: u32, lane: u32, e: u32, length: i32) -> Blocks {
  let own = keysAt(at, j + 4u * quadLane(lane), e, length, j);
  if (QUADS) { return spread(own); }
  return Blocks(own, keysAt(at, j + 4u, e, length, j), keysAt(at, j + 8u, e, length, j), keysAt(at, j + 12u, e, length, j));
}

fn valueBlocks(at: u32, j: u32, lane: u32, e: u32, length: i32) -> Blocks {
  let own = valuesAt(at, j + 4u * quadLane(lane), e, length, j);
  if (QUADS) { return spread(own); }
  return Blocks(own, valuesAt(at, j + 4u, e, length, j), valuesAt(at, j + 8u, e, length, j), valuesAt(at, j + 12u, e, length, j));
}

// Where the parts of a tile come from: 16 keys, then 16 values.
fn fillTile(kAt: u32, vAt: u32, first: u32, lane: u32, length: i32) {
  sync();
  for (var i = lane; i < 32u * sizes.E4; i += LANES) {
    let row = i / sizes.E4;
    let e = i % sizes.E4;
    let j = first + row % 16u;
    let last = min(j, sizes.S - 1u);
    var part = k[kAt + last * sizes.KT + e];
    if (row >= 16u) { part = v[vAt + last * sizes.VT + e]; }
    put(i, select(vec4<f32>(), part, i32(j) < length));
  }
  sync();
}

fn scoreBlock(t: mat4x4<f32>, n: u32, h: u32, i: u32, j: u32, limits: vec4<i32>) -> mat4x4<f32> {
  return mat4x4(
    scoresOf(t[0], n, h, i, j, limits.x), scoresOf(t[1], n, h, i + 1u, j, limits.y),
    scoresOf(t[2], n, h, i + 2u, j, limits.z), scoresOf(t[3], n, h, i + 3u, j, limits.w),
  );
}

fn largest(t: mat4x4<f32>) -> vec4<f32> { return vec4(max4(t[0]), max4(t[1]), max4(t[2]), max4(t[3])); }

fn weightBlock(s: mat4x4<f32>, m: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(weightsOf(s[0], m.x), weightsOf(s[1], m.y), weightsOf(s[2], m.z), weightsOf(s[3], m.w));
}

fn sums(t: mat4x4<f32>) -> vec4<f32> { return vec4(sum4(t[0]), sum4(t[1]), sum4(t[2]), sum4(t[3])); }

fn bitsOf(v: vec4<f32>) -> vec4<u32> { return bitcast<vec4<u32>>(v) & vec4(0x7fffffffu); }

// Bits of the score of each query that is furthest from 0: beyond those of all finite numbers if one is not finite.
fn furthestOf(t: mat4x4<f32>) -> vec4<u32> {
  let a = bitsOf(t[0]);
  let b = bitsOf(t[1]);
  let c = bitsOf(t[2]);
  let d = bitsOf(t[3]);
  return vec4(
    max(max(a.x, a.y), max(a.z, a.w)), max(max(b.x, b.y), max(b.z, b.w)),
    max(max(c.x, c.y), max(c.z, c.w)), max(max(d.x, d.y), max(d.z, d.w)),
  );
}

fn dropped(t: mat4x4<f32>, row: u32, j: u32) -> mat4x4<f32> {
  if (CHANCE == 0u) { return t; }
  return mat4x4(
    t[0] * keptOf(row, j), t[1] * keptOf(row + 1u, j), t[2] * keptOf(row + 2u, j), t[3] * keptOf(row + 3u, j),
  );
}

// Where results of the four queries are, and of how many there are any.
fn putRows(at: vec4<u32>, i: vec4<u32>, r: mat4x4<f32>) {
  if (i.x < sizes.L) { y[at.x] = r[0]; }
  if (i.y < sizes.L) { y[at.y] = r[1]; }
  if (i.z < sizes.L) { y[at.z] = r[2]; }
  if (i.w < sizes.L) { y[at.w] = r[3]; }
}

// Four queries per lane, 16 keys at a time.
@compute @workgroup_size(LANES)
fn attentionTile(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32) {
  let rows = 4u * LANES;
  let blocks = (sizes.L + rows - 1u) / rows;
  let index = wg.y * groups.x + wg.x;
  if (index >= blocks * sizes.N * sizes.H) { return; }
  // Late blocks of a causal attention take longest, and come first.
  let first = (blocks - 1u - index % blocks) * rows;
  let h = (index / blocks) % sizes.H;
  let n = index / (blocks * sizes.H);
  let i = four(first + 4u * lane);
  let inside = min(i, vec4(sizes.L - 1u));
  let qAt = vec4(sizes.QO + n * sizes.QN + h * sizes.QH) + inside * sizes.QT;
  let kAt = sizes.KO + n * sizes.KN + (h / sizes.G) * sizes.KH;
  let vAt = sizes.VO + n * sizes.VN + (h / sizes.G) * sizes.VH;
  let yAt = vec4(n * sizes.YN + h * sizes.YH) + inside * sizes.YT;
  let row = (n * sizes.H + h) * sizes.L + i.x;
  let length = lengthOf(n);
  let limits = limitsOf(i, length);
  let end = u32(limitOf(min(first + rows, sizes.L) - 1u, length));
  for (var e = 0u; e < sizes.E4; e++) { putRows(yAt + e, i, mat4x4<f32>()); }
  var m = vec4(LOWEST);
  var sum = vec4<f32>();
  var worst = vec4<u32>();
  for (var j = 0u; j < end; j += 16u) {
    if (TILED) { fillTile(kAt, vAt, j, lane, length); }
    var t = Blocks();
    for (var e = 0u; e < sizes.E4; e++) {
      let x = mat4x4(q[qAt.x + e], q[qAt.y + e], q[qAt.z + e], q[qAt.w + e]);
      let b = keyBlocks(kAt, j, lane, e, length);
      t.a += transpose(b.a) * x;
      t.b += transpose(b.b) * x;
      t.c += transpose(b.c) * x;
      t.d += transpose(b.d) * x;
    }
    // One block after another, first out and last in: this code four times takes four times as long to compile.
    var most = m;
    for (var p = 0u; p < 4u; p++) {
      let s = scoreBlock(t.a, n, h, i.x, j + blockRow(lane, p), limits);
      worst = max(worst, furthestOf(s));
      most = max(most, largest(s));
      t = Blocks(t.b, t.c, t.d, s);
    }
    let correction = exp2(m - most);
    m = most;
    sum *= correction;
    for (var p = 0u; p < 4u; p++) {
      let w = weightBlock(t.a, m);
      sum += sums(w);
      t = Blocks(t.b, t.c, t.d, dropped(w, row, j + blockRow(lane, p)));
    }
    for (var e = 0u; e < sizes.E4; e++) {
      let b = valueBlocks(vAt, j, lane, e, length);
      let at = yAt + e;
      let before = mat4x4(
        y[at.x] * correction.x, y[at.y] * correction.y, y[at.z] * correction.z, y[at.w] * correction.w,
      );
      putRows(at, i, before + ((b.a * t.a + b.b * t.b) + (b.c * t.c + b.d * t.d)));
    }
  }
  // HIDDEN is the score furthest from 0 of a finite row.
  let bad = worst >= vec4(0x7f800000u);
  let empty = sum == vec4<f32>();
  let factor = select(select(1.0 / sum, vec4<f32>(), empty), vec4(nan()), bad);
  for (var e = 0u; e < sizes.E4; e++) {
    let at = yAt + e;
    putRows(at, i, mat4x4(y[at.x] * factor.x, y[at.y] * factor.y, y[at.z] * factor.z, y[at.w] * factor.w));
  }
  let total = select(select(m + log2(sum), vec4<f32>(), empty), vec4(nan()), bad);
  for (var c = 0u; c < 4u; c++) {
    if (i.x + c < sizes.L) { lse[row + c] = total[c]; }
  }
}

// One query per lane, four keys at a time: for few queries.
@compute @workgroup_size(LANES)
fn attentionRows(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32) {
  let row = (wg.y * groups.x + wg.x) * LANES + lane;
  if (row >= sizes.N * sizes.H * sizes.L) { return; }
  let i = row % sizes.L;
  let h = (row / sizes.L) % sizes.H;
  let n = row / (sizes.L * sizes.H);
  let qAt = sizes.QO + n * sizes.QN + h * sizes.QH + i * sizes.QT;
  let kAt = sizes.KO + n * sizes.KN + (h / sizes.G) * sizes.KH;
  let vAt = sizes.VO + n * sizes.VN + (h / sizes.G) * sizes.VH;
  let yAt = n * sizes.YN + h * sizes.YH + i * sizes.YT;
  let length = lengthOf(n);
  let limit = limitOf(i, length);
  for (var e = 0u; e < sizes.E4; e++) { y[yAt + e] = vec4<f32>(); }
  var m = LOWEST;
  var sum = 0.0;
  var worst = 0u;
  for (var j = 0u; j < u32(limit); j += 4u) {
    var s = vec4<f32>();
    for (var e = 0u; e < sizes.E4; e++) { s += q[qAt + e] * keysAt(kAt, j, e, length, 0u); }
    s = scoresOf(s, n, h, i, j, limit);
    let bits = bitsOf(s);
    worst = max(worst, max(max(bits.x, bits.y), max(bits.z, bits.w)));
    let most = max(m, max4(s));
    let correction = exp2(m - most);
    m = most;
    var w = weightsOf(s, m);
    sum = sum * correction + sum4(w);
    if (CHANCE > 0u) { w *= keptOf(row, j); }
    for (var e = 0u; e < sizes.E4; e++) { y[yAt + e] = y[yAt + e] * correction + valuesAt(vAt, j, e, length, 0u) * w; }
  }
  var factor = 1.0 / sum;
  var total = m + log2(sum);
  if (sum == 0.0) {
    factor = 0.0;
    total = 0.0;
  }
  if (worst >= 0x7f800000u) {
    factor = nan();
    total = nan();
  }
  for (var e = 0u; e < sizes.E4; e++) { y[yAt + e] *= factor; }
  lse[row] = total;
}
