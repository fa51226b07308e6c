// FRAGMENT: operands and result, see gemm-fragment.wgsl; with linear-store-fragment.wgsl or linear-store-vector-fragment.wgsl.
// The gradients of a linear layer, y[n, o] = sum over i of x[n, i] * w[o, i] + b[o], as two products in one dispatch:
//   z = 0: dx[n, i] = sum over o of dy[n, o] * w[o, i], times f'(extra[n, i]) or plus extra[n, i]
//   z = 1: dw[o, i] = sum over n of dy[n, o] * x[n, i]; column i = IN, where x counts as 1, is db[o]
// x, extra, dx: N x IN;  w, dw: OUT x IN;  dy: N x OUT;  db: OUT.
// Needs special-functions.wgsl.

override IN_VECTOR: bool;   // rows of x and w are read as vec4: IN is a multiple of 4
override OUT_VECTOR: bool;  // rows of dy likewise
override OUT_EVEN: bool;    // the subgroup tile reads rows of dy two numbers at a time: OUT is even
override EXTRA: u32;        // sizes.extra where that is 4 … 6, gelu or silu, which other pipelines need not compile; else 0

struct Sizes {
  N: u32,
  IN: u32,
  OUT: u32,
  extra: u32,          // 0 none; 1 … 6 a factor, the derivative of that activation (1 relu); 7 a term
  INPUT_GROUPS: u32,   // workgroups that compute dx, which come first
  WEIGHT_GROUPS: u32,
  INPUT_TILES: u32,    // along a row of dx
  WEIGHT_TILES: u32,   // along a row of dw, from tile FIRST_WEIGHT_TILE on
  FIRST_WEIGHT_TILE: u32,
  WEIGHT_COLUMNS: u32, // of dw that are stored: IN, or 0 where only db is wanted
  BIAS: u32,           // 1 if db is wanted
}
@group(0) @binding(8) var<uniform> sizes: Sizes;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> dy2: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> dy4: array<vec4<f32>>;

// Read once per workgroup, not with every row.
struct Destination {
  weight: bool,  // dw and db, else dx
  rows: u32,
  IN: u32,
  extra: u32,
}

fn workOf(wg: vec3<u32>, groups: vec3<u32>) -> Work {
  let g = wg.y * groups.x + wg.x;
  let weight = g >= sizes.INPUT_GROUPS;
  let tile = select(g, g - sizes.INPUT_GROUPS, weight);
  let across = select(sizes.INPUT_TILES, sizes.WEIGHT_TILES, weight);
  let row = tile / across;
  let column = tile - row * across + select(0u, sizes.FIRST_WEIGHT_TILE, weight);
  let rows = select(sizes.N, sizes.OUT, weight);
  // Workgroups beyond the last get a tile below the last row, which stores nothing.
  let tileM = select(row, rows, g >= sizes.INPUT_GROUPS + sizes.WEIGHT_GROUPS);
  let to = Destination(weight, rows, sizes.IN, select(sizes.extra, 0u, weight));
  return Work(u32(weight), tileM, column, 0u, select(sizes.OUT, sizes.N, weight) * groups.z, to, groups.z);
}

alias Rows = vec4<u32>;

struct Columns {
  at: vec4<u32>,
  bias: vec4<bool>,  // column IN
}

fn rowsOf(z: u32, m: u32) -> Rows {
  return min(m + STEPS, vec4(select(sizes.N, sizes.OUT, z == 1u) - 1u));
}

fn columnsOf(z: u32, n: u32) -> Columns {
  return Columns(min(n + STEPS, vec4(sizes.IN - 1u)), n + STEPS == vec4(sizes.IN));
}

fn sumLength(z: u32) -> u32 {
  return select(sizes.OUT, sizes.N, z == 1u);
}

fn clamped(z: u32, k: u32) -> vec4<u32> {
  return min(k + STEPS, vec4(sumLength(z) - 1u));
}

fn dyFour(at: vec4<u32>) -> vec4<f32> {
  return vec4(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
}

// The elements of dy at rows + columns, one row per column of the result.
fn dyStored(rows: vec4<u32>, columns: vec4<u32>) -> mat4x4<f32> {
  if (OUT_VECTOR) {
    let at = (rows + columns.x) / 4u;
    return mat4x4(dy4[at.x], dy4[at.y], dy4[at.z], dy4[at.w]);
  }
  return mat4x4(dyFour(rows.x + columns), dyFour(rows.y + columns), dyFour(rows.z + columns), dyFour(rows.w + columns));
}

fn aBlock(z: u32, rows: Rows, k: u32) -> mat4x4<f32> {
  let steps = clamped(z, k);
  var block: mat4x4<f32>;
  if (z == 1u) { block = transpose(dyStored(steps * sizes.OUT, rows)); } else { block = dyStored(rows * sizes.OUT, steps); }
  let inside = k + STEPS < vec4(sumLength(z));
  let zero = vec4<f32>();
  return mat4x4(select(zero, block[0], inside), select(zero, block[1], inside),
                select(zero, block[2], inside), select(zero, block[3], inside));
}

fn bBlock(z: u32, columns: Columns, k: u32) -> mat4x4<f32> {
  let steps = clamped(z, k);
  let inside = k + STEPS < vec4(sumLength(z));
  let zero = vec4<f32>();
  return mat4x4(select(zero, bRow(z, columns, steps.x), inside.x), select(zero, bRow(z, columns, steps.y), inside.y),
                select(zero, bRow(z, columns, steps.z), inside.z), select(zero, bRow(z, columns, steps.w), inside.w));
}

// Row k of B at four columns.
fn bRow(z: u32, columns: Columns, k: u32) -> vec4<f32> {
  if (z == 1u) { return xRow(columns, k); }
  return wRow(columns, k);
}

fn xRow(columns: Columns, k: u32) -> vec4<f32> {
  let at = k * sizes.IN + columns.at;
  let q = at >> vec4(2u);
  var v = x[q.x];
  if (!IN_VECTOR) {
    let c = at & vec4(3u);
    v = vec4(x[q.x][c.x], x[q.y][c.y], x[q.z][c.z], x[q.w][c.w]);
  }
  return select(v, vec4(1.0), columns.bias);
}

fn wRow(columns: Columns, k: u32) -> vec4<f32> {
  let at = k * sizes.IN + columns.at;
  let q = at >> vec4(2u);
  if (IN_VECTOR) { return w[q.x]; }
  let c = at & vec4(3u);
  return vec4(w[q.x][c.x], w[q.y][c.y], w[q.z][c.z], w[q.w][c.w]);
}

alias Counter = u32;
alias Steps = vec2<u32>;

fn counterFrom(k: u32) -> Counter {
  return k;
}

fn counterAfter(counter: Counter, k: u32) -> Counter {
  return k;
}

// Both lengths count as odd where one is: the second step is then clamped while it is used.
fn stepsOf(counter: Counter, k: u32) -> Steps {
  return vec2(k, k + 1u);
}

fn aPair(z: u32, rows: Rows, s: Steps) -> mat2x4<f32> {
  let k = s.x;
  var after = s.y;
  if (K_TAIL) { after = min(after, sumLength(z) - 1u); }
  if (OUT_EVEN) {
    let along = rows * sizes.OUT + k;
    let across = vec4(k, k, after, after) * sizes.OUT + rows.x + vec4(0u, 2u, 0u, 2u);
    let at = select(along, across, vec4(z == 1u)) >> vec4(1u);
    let m = mat4x2(dy2[at.x], dy2[at.y], dy2[at.z], dy2[at.w]);
    if (z == 1u) { return mat2x4(vec4(m[0], m[1]), vec4(m[2], m[3])); }
    return transpose(m);
  }
  return mat2x4(dyFour(select(rows * sizes.OUT + k, k * sizes.OUT + rows, vec4(z == 1u))),
                dyFour(select(rows * sizes.OUT + after, after * sizes.OUT + rows, vec4(z == 1u))));
}

fn bPair(z: u32, columns: Columns, s: Steps) -> mat2x4<f32> {
  var after = s.y;
  if (K_TAIL) { after = min(after, sumLength(z) - 1u); }
  if (z == 1u) { return mat2x4(xRow(columns, s.x), xRow(columns, after)); }
  return mat2x4(wRow(columns, s.x), wRow(columns, after));
}

// v with what comes in addition; see withExtra.
fn dxOf(kind: u32, v: vec4<f32>, e: vec4<f32>) -> vec4<f32> {
  if (EXTRA != 0u) { return withExtra(EXTRA, v, e); }
  if (kind == 1u) { return withExtra(1u, v, e); }
  if (kind == 7u) { return v + e; }
  return v * select(1.0 - e * e, e * (1.0 - e), vec4(kind == 2u));
}
