// What the kernels of a linear layer's gradients share. y[n, o] = sum over i of x[n, i] * w[o, i] + b[o], so
//   dx[n, i] = slope(mask[n, i]) * sum over o of dy[n, o] * w[o, i]
//   dw[o, i] = sum over n of dy[n, o] * x[n, i]
//   db[o]    = sum over n of dy[n, o]
// x, mask, dx: N x IN;  w, dw: OUT x IN;  dy: N x OUT;  db: OUT.
// One dispatch does all three: workgroups 0 … INPUT_GROUPS - 1 compute tiles of dx, the next WEIGHT_GROUPS tiles of dw,
// the rest db. Everything is read in blocks of 4 x 4, one row per column of a mat4x4.

override N: u32;
override IN: u32;
override OUT: u32;
override activation: u32;     // whose output mask is: 0 none, 1 relu, 2 sigmoid, 3 tanh
override INPUT_GROUPS: u32;
override WEIGHT_GROUPS: u32;
override TILES: u32;          // along i
override STEP: u32;           // ks that a kernel takes at once

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
  if (g < INPUT_GROUPS) { return Job(INPUT, g / TILES, g % TILES); }
  let h = g - INPUT_GROUPS;
  if (h < WEIGHT_GROUPS) { return Job(WEIGHT, h / TILES, h % TILES); }
  return Job(BIAS, h - WEIGHT_GROUPS, 0u);
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

// ks k … k + 3 of `count`, likewise; without the comparison where no step goes over the edge.
fn steps(k: u32, count: u32) -> vec4<u32> {
  if (count % STEP == 0u) { return k + STEPS; }
  return four(k, count);
}

fn xBlock(rows: vec4<u32>, columns: vec4<u32>) -> mat4x4<f32> {
  let r = rows * IN;
  if (IN % 4u == 0u) {
    let at = (r + columns.x) / 4u;
    return mat4x4(x[at.x], x[at.y], x[at.z], x[at.w]);
  }
  return mat4x4(xRow(r.x + columns), xRow(r.y + columns), xRow(r.z + columns), xRow(r.w + columns));
}

fn xRow(at: vec4<u32>) -> vec4<f32> {
  let q = at / 4u;
  let c = at % 4u;
  return vec4(x[q.x][c.x], x[q.y][c.y], x[q.z][c.z], x[q.w][c.w]);
}

fn wBlock(rows: vec4<u32>, columns: vec4<u32>) -> mat4x4<f32> {
  let r = rows * IN;
  if (IN % 4u == 0u) {
    let at = (r + columns.x) / 4u;
    return mat4x4(w[at.x], w[at.y], w[at.z], w[at.w]);
  }
  return mat4x4(wRow(r.x + columns), wRow(r.y + columns), wRow(r.z + columns), wRow(r.w + columns));
}

fn wRow(at: vec4<u32>) -> vec4<f32> {
  let q = at / 4u;
  let c = at % 4u;
  return vec4(w[q.x][c.x], w[q.y][c.y], w[q.z][c.z], w[q.w][c.w]);
}

fn dyBlock(rows: vec4<u32>, columns: vec4<u32>) -> mat4x4<f32> {
  let r = rows * OUT;
  if (OUT % 4u == 0u) {
    let at = (r + columns.x) / 4u;
    return mat4x4(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
  }
  return mat4x4(dyRow(r.x + columns), dyRow(r.y + columns), dyRow(r.z + columns), dyRow(r.w + columns));
}

fn dyRow(at: vec4<u32>) -> vec4<f32> {
  let q = at / 4u;
  let c = at % 4u;
  return vec4(dy[q.x][c.x], dy[q.y][c.y], dy[q.z][c.z], dy[q.w][c.w]);
}

// `block` with the rows from `count` on zero, when its first is row k.
fn inside(block: mat4x4<f32>, k: u32, count: u32) -> mat4x4<f32> {
  if (count % STEP == 0u) { return block; }
  let keep = k + STEPS < vec4(count);
  let zero = vec4<f32>();
  return mat4x4(select(zero, block[0], keep.x), select(zero, block[1], keep.y),
                select(zero, block[2], keep.z), select(zero, block[3], keep.w));
}

// Factors of dx: four rows n, each over os; and os, each over four columns i.
fn dyOverOs(n: vec4<u32>, o: u32) -> mat4x4<f32> { return dyBlock(n, steps(o, OUT)); }
fn wOverIs(o: u32, i: vec4<u32>) -> mat4x4<f32> { return inside(wBlock(steps(o, OUT), i), o, OUT); }

// Factors of dw: four rows o, each over ns; and ns, each over four columns i.
fn dyOverNs(n: u32, o: vec4<u32>) -> mat4x4<f32> { return transpose(inside(dyBlock(steps(n, N), o), n, N)); }
fn xOverIs(n: u32, i: vec4<u32>) -> mat4x4<f32> { return xBlock(steps(n, N), i); }

// v times the slope of the activation that gave y.
fn sloped(v: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
  if (activation == 1u) { return select(vec4<f32>(), v, y > vec4<f32>()); }
  if (activation == 2u) { return v * (y * (1.0 - y)); }
  return v * (1.0 - y * y);
}

fn putInput(n: u32, i: u32, sum: vec4<f32>) {
  if (n >= N) { return; }
  var v = sum;
  if (activation != 0u) {
    let c = n * IN + four(i, IN);
    v = sloped(v, vec4(mask[c.x], mask[c.y], mask[c.z], mask[c.w]));
  }
  let at = n * IN + i;
  if (i < IN) { dx[at] = v.x; }
  if (i + 1u < IN) { dx[at + 1u] = v.y; }
  if (i + 2u < IN) { dx[at + 2u] = v.z; }
  if (i + 3u < IN) { dx[at + 3u] = v.w; }
}

fn putWeight(o: u32, i: u32, v: vec4<f32>) {
  if (o >= OUT) { return; }
  let at = o * IN + i;
  if (i < IN) { dw[at] = v.x; }
  if (i + 1u < IN) { dw[at + 1u] = v.y; }
  if (i + 2u < IN) { dw[at + 2u] = v.z; }
  if (i + 3u < IN) { dw[at + 3u] = v.w; }
}

// The same where IN is a multiple of 4.
fn putInput4(n: u32, i: u32, sum: vec4<f32>) {
  if (n >= N || i >= IN) { return; }
  let at = (n * IN + i) / 4u;
  var v = sum;
  if (activation != 0u) { v = sloped(v, mask4[at]); }
  dx4[at] = v;
}

fn putWeight4(o: u32, i: u32, v: vec4<f32>) {
  if (o >= OUT || i >= IN) { return; }
  dw4[(o * IN + i) / 4u] = v;
}

// Sums of dy over every `stride`-th row from the `first` on and before `last`, for columns o … o + 3.
fn biasSums(o: u32, first: u32, last: u32, stride: u32) -> vec4<f32> {
  let columns = four(o, OUT);
  var sum = vec4<f32>();
  for (var n = first; n < last; n += stride) {
    let at = n * OUT + columns;
    if (OUT % 4u == 0u) { sum += dy[at.x / 4u]; } else { sum += dyRow(at); }
  }
  return sum;
}

fn putBias(o: u32, v: vec4<f32>) {
  if (o < OUT) { db[o] = v.x; }
  if (o + 1u < OUT) { db[o + 1u] = v.y; }
  if (o + 2u < OUT) { db[o + 2u] = v.z; }
  if (o + 3u < OUT) { db[o + 3u] = v.w; }
}
