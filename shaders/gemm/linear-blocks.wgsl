// What the kernels of a linear layer's gradients share. y[n, o] = sum over i of x[n, i] * w[o, i] + b[o], so
//   dx[n, i] = slope(mask[n, i]) * sum over o of dy[n, o] * w[o, i]
//   dw[o, i] = sum over n of dy[n, o] * x[n, i]
//   db[o]    = sum over n of dy[n, o]
// x, mask, dx: N x IN;  w, dw: OUT x IN;  dy: N x OUT;  db: OUT.
// One dispatch does all three: workgroups 0 … INPUT_GROUPS - 1 compute tiles of dx, the next WEIGHT_GROUPS tiles of dw,
// the rest db. Everything is read in blocks of 4 x 4, one row per column of a mat4x4.

override IN_VECTOR: bool;   // rows of x and w are read as vec4: IN is a multiple of 4
override OUT_VECTOR: bool;  // rows of dy likewise

struct Sizes {
  N: u32,
  IN: u32,
  OUT: u32,
  activation: u32,     // whose output mask is: 0 none, 1 relu, 2 sigmoid, 3 tanh
  INPUT_GROUPS: u32,
  WEIGHT_GROUPS: u32,
  TILES: u32,          // along i
  BIAS: u32,           // 1 if db is wanted
}

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(3) var<storage, read> mask4: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<storage, read_write> dw: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx4: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> dw4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> db: array<f32>;
@group(0) @binding(7) var<uniform> sizes: Sizes;

const INPUT = 0u;
const WEIGHT = 1u;
const BIAS = 2u;

// What a workgroup does: a tile of dx or dw, by its place, or the job.row-th part of db.
struct Job {
  kind: u32,
  row: u32,
  column: u32,
}

fn jobOf(g: u32) -> Job {
  let h = g - sizes.INPUT_GROUPS;
  if (g >= sizes.INPUT_GROUPS + sizes.WEIGHT_GROUPS) { return Job(BIAS, h - sizes.WEIGHT_GROUPS, 0u); }
  let weight = g >= sizes.INPUT_GROUPS;
  let tile = select(g, h, weight);
  let row = tile / sizes.TILES;
  return Job(select(INPUT, WEIGHT, weight), row, tile - row * sizes.TILES);
}

// Four blocks of 4 x 4, as each kernel arranges them.
alias Tile = array<mat4x4<f32>, 4>;

// `t` with every row moved one place up, so that a loop can write row after row without indexing.
fn shifted(t: Tile) -> Tile {
  return Tile(mat4x4(t[0][1], t[0][2], t[0][3], t[1][0]), mat4x4(t[1][1], t[1][2], t[1][3], t[2][0]),
              mat4x4(t[2][1], t[2][2], t[2][3], t[3][0]), mat4x4(t[3][1], t[3][2], t[3][3], t[3][3]));
}

const STEPS = vec4<u32>(0u, 1u, 2u, 3u);

// `first` and the three after it; those from `count` on are the last one again.
fn four(first: u32, count: u32) -> vec4<u32> {
  return min(first + STEPS, vec4(count - 1u));
}

// Rows that begin at `starts`.
fn xBlock(starts: vec4<u32>, columns: vec4<u32>) -> mat4x4<f32> {
  if (IN_VECTOR) {
    let at = (starts + columns.x) / 4u;
    return mat4x4(x[at.x], x[at.y], x[at.z], x[at.w]);
  }
  return mat4x4(xRow(starts.x + columns), xRow(starts.y + columns), xRow(starts.z + columns), xRow(starts.w + columns));
}

fn xRow(at: vec4<u32>) -> vec4<f32> {
  let q = at / 4u;
  let c = at % 4u;
  return vec4(x[q.x][c.x], x[q.y][c.y], x[q.z][c.z], x[q.w][c.w]);
}

fn wBlock(starts: vec4<u32>, columns: vec4<u32>) -> mat4x4<f32> {
  if (IN_VECTOR) {
    let at = (starts + columns.x) / 4u;
    return mat4x4(w[at.x], w[at.y], w[at.z], w[at.w]);
  }
  return mat4x4(wRow(starts.x + columns), wRow(starts.y + columns), wRow(starts.z + columns), wRow(starts.w + columns));
}

fn wRow(at: vec4<u32>) -> vec4<f32> {
  let q = at / 4u;
  let c = at % 4u;
  return vec4(w[q.x][c.x], w[q.y][c.y], w[q.z][c.z], w[q.w][c.w]);
}

fn dyBlock(starts: vec4<u32>, columns: vec4<u32>) -> mat4x4<f32> {
  if (OUT_VECTOR) {
    let at = (starts + columns.x) / 4u;
    return mat4x4(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
  }
  return mat4x4(dyRow(starts.x + columns), dyRow(starts.y + columns), dyRow(starts.z + columns), dyRow(starts.w + columns));
}

fn dyRow(at: vec4<u32>) -> vec4<f32> {
  let q = at / 4u;
  let c = at % 4u;
  return vec4(dy[q.x][c.x], dy[q.y][c.y], dy[q.z][c.z], dy[q.w][c.w]);
}

// `block` with the rows from `count` on zero, when its first is row k.
fn inside(block: mat4x4<f32>, k: u32, count: u32) -> mat4x4<f32> {
  let keep = k + STEPS < vec4(count);
  let zero = vec4<f32>();
  return mat4x4(select(zero, block[0], keep.x), select(zero, block[1], keep.y),
                select(zero, block[2], keep.z), select(zero, block[3], keep.w));
}

// v times the slope of the activation that gave y.
fn sloped(activation: u32, v: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
  if (activation == 1u) { return select(vec4<f32>(), v, passes4(y)); }
  return v * select(1.0 - y * y, y * (1.0 - y), vec4(activation == 2u));
}

// Where results go: read once, not with every row.
struct Target {
  weight: bool,  // dw, else dx
  rows: u32,
  IN: u32,
  activation: u32,
}

fn targetOf(weight: bool) -> Target {
  return Target(weight, select(sizes.N, sizes.OUT, weight), sizes.IN, select(sizes.activation, 0u, weight));
}

// Columns i … i + 3 of a row.
fn put(to: Target, row: u32, i: u32, sum: vec4<f32>) {
  if (row >= to.rows) { return; }
  let at = row * to.IN + four(i, to.IN);
  var v = sum;
  if (to.activation != 0u) { v = sloped(to.activation, v, vec4(mask[at.x], mask[at.y], mask[at.z], mask[at.w])); }
  for (var c = i; c < min(i + 4u, to.IN); c++) {
    let single = row * to.IN + c;
    if (to.weight) { dw[single] = v.x; } else { dx[single] = v.x; }
    v = v.yzww;
  }
}

// The same where IN is a multiple of 4.
fn put4(to: Target, row: u32, i: u32, sum: vec4<f32>) {
  if (row >= to.rows || i >= to.IN) { return; }
  let at = (row * to.IN + i) / 4u;
  var v = sum;
  if (to.activation != 0u) { v = sloped(to.activation, v, mask4[at]); }
  if (to.weight) { dw4[at] = v; } else { dx4[at] = v; }
}

// Sums of dy over every `stride`-th row from the `first` on, for columns o … o + 3.
fn biasSums(o: u32, first: u32, stride: u32) -> vec4<f32> {
  let columns = four(o, sizes.OUT);
  var sum = vec4<f32>();
  for (var n = first; n < sizes.N; n += stride) { sum += dyRow(n * sizes.OUT + columns); }
  return sum;
}

fn putBias(o: u32, sums: vec4<f32>) {
  var v = sums;
  for (var e = o; e < min(o + 4u, sizes.OUT); e++) {
    db[e] = v.x;
    v = v.yzww;
  }
}
