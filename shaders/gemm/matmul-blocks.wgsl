// What the kernels of a matrix product share: operands read and results written in blocks of 4 x 4.
//
// y[z, m, n] = slope of mask[z, m, n] * activation(sum over k of A[z, m, k] * B[z, k, n] + bias[m or n])
// A, M x K, is a as stored or, with TRANSPOSE_A, the transpose of a; B, K x N, likewise. y: M x N with steps YM, YN.
// Batch: z runs over Z0 x Z1 x Z2, a moves by A0, A1, A2 and b by B0, B1, B2 (0 where it is broadcast), y by M * N.
// Split: workgroups of split s sum over CHUNK ks from s * CHUNK on and write to the s-th of SPLITS copies of y.
//
// A mat4x4 holds a block of A with one row of A per column, each over four ks, and a block of B with one k per column,
// each over four columns of B: block of B * block of A is then a block of y, one row of y per column.

override TRANSPOSE_A: bool;
override TRANSPOSE_B: bool;
override A_VECTOR: bool;  // blocks of a as stored are read as vec4: its columns are a multiple of 4
override B_VECTOR: bool;
override A_FIXED: u32;    // A_COLUMNS of large products, which gain by it; 0: as in sizes
override B_FIXED: u32;
override ALONE: bool;     // one product in one split; divisions are dear
override RAGGED: bool;    // the last step along k goes over the edge
override BIAS: u32;       // 0 none, 1 per column, 2 per row
override activation: u32; // 0 none, or relu where sizes.RELU is 1; 2 sigmoid, 3 tanh
override masked: u32;     // activation whose output mask is

struct Sizes {
  M: u32,
  N: u32,
  K: u32,
  A_COLUMNS: u32,  // of a as stored
  B_COLUMNS: u32,
  YM: u32,
  YN: u32,
  Z1: u32,
  Z2: u32,
  A0: u32,
  A1: u32,
  A2: u32,
  B0: u32,
  B1: u32,
  B2: u32,
  BATCH: u32,      // Z0 * Z1 * Z2
  SPLITS: u32,
  CHUNK: u32,
  TILES_M: u32,
  TILES_N: u32,
  EDGE_M: u32,     // where the tiles end
  EDGE_N: u32,
  RIGHT_GROUPS: u32,  // workgroups per product that have blocks right of the tiles
  BELOW_GROUPS: u32,  // those that have blocks below all that
  RELU: u32,
}
@group(0) @binding(7) var<uniform> sizes: Sizes;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> a4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> b4: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> mask: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> y4: array<vec4<f32>>;

const STEPS = vec4<u32>(0u, 1u, 2u, 3u);

const TILE = 0u;   // what a workgroup has: a tile, or blocks right of the tiles or below them
const RIGHT = 1u;
const BELOW = 2u;

// Where y of a product begins, its size and steps: read once, not with every row.
struct Place {
  first: u32,
  M: u32,
  N: u32,
  YM: u32,
  YN: u32,
}

fn place(first: u32) -> Place {
  return Place(first, sizes.M, sizes.N, sizes.YM, sizes.YN);
}

// The part of the work that a workgroup has: tile (tileM, tileN) of product z, ks from first to last.
struct Part {
  z: u32,
  tileM: u32,
  tileN: u32,
  first: u32,
  last: u32,
  y: Place,
  one: u32,  // 1
  kind: u32,
}

// num_workgroups.z is 1 here, which compilers do not know: a loop whose bound is multiplied by it stays a loop. Unrolled,
// loops of memory accesses take seconds to compile on CPU adapters.
fn partOf(wg: vec3<u32>, groups: vec3<u32>) -> Part {
  let tiles = sizes.TILES_M * sizes.TILES_N;
  let above = tiles + sizes.RIGHT_GROUPS;
  let all = above + sizes.BELOW_GROUPS;
  let g = wg.y * groups.x + wg.x;
  var sz = 0u;
  var split = select(0u, 1u, g >= all);
  if (!ALONE) {
    sz = g / all;
    split = sz / sizes.BATCH;
  }
  let tile = g - sz * all;
  let first = split * sizes.CHUNK;
  let last = min(first + sizes.CHUNK, sizes.K) * groups.z;
  // Workgroups beyond the last get a tile below the last row, which writes nothing.
  let inside = split < sizes.SPLITS;
  let kind = select(select(TILE, RIGHT, tile >= tiles), BELOW, tile >= above) * u32(inside);
  let before = select(select(tile / sizes.TILES_N * sizes.TILES_N, tiles, kind == RIGHT), above, kind == BELOW);
  return Part(select(sz - split * sizes.BATCH, 0u, ALONE), select(sizes.M, tile / sizes.TILES_N, inside), tile - before,
              first, last, place(sz * sizes.M * sizes.N), groups.z, kind);
}

// ks k … k + 3; those over the edge are the last one again.
fn steps(k: u32) -> vec4<u32> {
  if (RAGGED) { return min(k + STEPS, vec4(sizes.K - 1u)); }
  return k + STEPS;
}

// The elements of a at rows + columns, one row per column of the result.
fn aStored(rows: vec4<u32>, columns: vec4<u32>) -> mat4x4<f32> {
  if (A_VECTOR) {
    let at = (rows + columns.x) / 4u;
    return mat4x4(a4[at.x], a4[at.y], a4[at.z], a4[at.w]);
  }
  let r0 = rows.x + columns;
  let r1 = rows.y + columns;
  let r2 = rows.z + columns;
  let r3 = rows.w + columns;
  return mat4x4(a[r0.x], a[r0.y], a[r0.z], a[r0.w], a[r1.x], a[r1.y], a[r1.z], a[r1.w],
                a[r2.x], a[r2.y], a[r2.z], a[r2.w], a[r3.x], a[r3.y], a[r3.z], a[r3.w]);
}

fn bStored(rows: vec4<u32>, columns: vec4<u32>) -> mat4x4<f32> {
  if (B_VECTOR) {
    let at = (rows + columns.x) / 4u;
    return mat4x4(b4[at.x], b4[at.y], b4[at.z], b4[at.w]);
  }
  let r0 = rows.x + columns;
  let r1 = rows.y + columns;
  let r2 = rows.z + columns;
  let r3 = rows.w + columns;
  return mat4x4(b[r0.x], b[r0.y], b[r0.z], b[r0.w], b[r1.x], b[r1.y], b[r1.z], b[r1.w],
                b[r2.x], b[r2.y], b[r2.z], b[r2.w], b[r3.x], b[r3.y], b[r3.z], b[r3.w]);
}

// Where four rows of A or columns of B begin, and the way from one row as stored to the next and the two after that.
struct Line {
  at: vec4<u32>,
  columns: u32,
  further: vec4<u32>,
}

fn line(at: vec4<u32>, columns: u32) -> Line {
  return Line(at, columns, STEPS * columns);
}

// Rows k … k + 3 as stored.
fn rowsFrom(l: Line, k: u32) -> vec4<u32> {
  if (RAGGED) { return steps(k) * l.columns; }
  return k * l.columns + l.further;
}

fn batchStart(z: u32, move0: u32, move1: u32, move2: u32) -> u32 {
  if (ALONE) { return 0u; }
  return (z / (sizes.Z1 * sizes.Z2)) * move0 + ((z / sizes.Z2) % sizes.Z1) * move1 + (z % sizes.Z2) * move2;
}

// Where rows m … m + 3 of A are: rows of a, or with TRANSPOSE_A columns; those over the edge are the last one again.
fn aStart(z: u32, m: u32) -> Line {
  let base = batchStart(z, sizes.A0, sizes.A1, sizes.A2);
  let at = min(m + STEPS, vec4(sizes.M - 1u));
  let columns = select(A_FIXED, sizes.A_COLUMNS, A_FIXED == 0u);
  return line(base + at * select(columns, 1u, TRANSPOSE_A), columns);
}

fn bStart(z: u32, n: u32) -> Line {
  let base = batchStart(z, sizes.B0, sizes.B1, sizes.B2);
  let at = min(n + STEPS, vec4(sizes.N - 1u));
  let columns = select(B_FIXED, sizes.B_COLUMNS, B_FIXED == 0u);
  return line(base + at * select(1u, columns, TRANSPOSE_B), columns);
}

// ks over the edge are zero in both blocks: of one alone an infinity in the other would make NaN.
fn aBlock(rows: Line, k: u32) -> mat4x4<f32> {
  var block: mat4x4<f32>;
  if (TRANSPOSE_A) {
    block = transpose(aStored(rowsFrom(rows, k), rows.at));
  } else {
    block = aStored(rows.at, steps(k));
  }
  if (RAGGED) {
    let inside = k + STEPS < vec4(sizes.K);
    let zero = vec4<f32>();
    return mat4x4(select(zero, block[0], inside), select(zero, block[1], inside),
                  select(zero, block[2], inside), select(zero, block[3], inside));
  }
  return block;
}

fn bBlock(columns: Line, k: u32) -> mat4x4<f32> {
  var block: mat4x4<f32>;
  if (TRANSPOSE_B) {
    block = transpose(bStored(columns.at, steps(k)));
  } else {
    block = bStored(rowsFrom(columns, k), columns.at);
  }
  if (RAGGED) {
    let inside = k + STEPS < vec4(sizes.K);
    let zero = vec4<f32>();
    return mat4x4(select(zero, block[0], inside.x), select(zero, block[1], inside.y),
                  select(zero, block[2], inside.z), select(zero, block[3], inside.w));
  }
  return block;
}

// Four blocks of 4 x 4, as each kernel arranges them.
alias Tile = array<mat4x4<f32>, 4>;

// `t` with every row moved one place up, so that a loop can write row after row without indexing.
fn shifted(t: Tile) -> Tile {
  return Tile(mat4x4(t[0][1], t[0][2], t[0][3], t[1][0]), mat4x4(t[1][1], t[1][2], t[1][3], t[2][0]),
              mat4x4(t[2][1], t[2][2], t[2][3], t[3][0]), mat4x4(t[3][1], t[3][2], t[3][3], t[3][3]));
}

fn activate(x: vec4<f32>) -> vec4<f32> {
  if (activation == 2u) { return sigmoid4(x); }
  if (activation == 3u) { return tanh4(x); }
  return select(x, relu4(x), sizes.RELU == 1u);
}

// v times the slope of the activation that gave y.
fn sloped(v: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
  if (masked == 1u) { return select(vec4<f32>(), v, passes4(y)); }
  if (masked == 2u) { return v * (y * (1.0 - y)); }
  return v * (1.0 - y * y);
}

// Row m of y from column n on, with all that comes after the sum.
fn finished(at: Place, m: u32, n: u32, sum: vec4<f32>) -> vec4<f32> {
  var v = sum;
  let columns = min(n + STEPS, vec4(at.N - 1u));
  if (BIAS == 1u) { v += vec4(bias[columns.x], bias[columns.y], bias[columns.z], bias[columns.w]); }
  if (BIAS == 2u) { v += bias[m]; }
  v = activate(v);
  if (masked != 0u) {
    let c = at.first + m * at.YM + columns * at.YN;
    v = sloped(v, vec4(mask[c.x], mask[c.y], mask[c.z], mask[c.w]));
  }
  return v;
}

fn putRow(at: Place, m: u32, n: u32, sum: vec4<f32>) {
  if (m >= at.M) { return; }
  let v = finished(at, m, n, sum);
  let c = at.first + m * at.YM + (n + STEPS) * at.YN;
  if (n < at.N) { y[c.x] = v.x; }
  if (n + 1u < at.N) { y[c.y] = v.y; }
  if (n + 2u < at.N) { y[c.z] = v.z; }
  if (n + 3u < at.N) { y[c.w] = v.w; }
}

// The same where all four columns lie inside.
fn putInside(at: Place, m: u32, n: u32, sum: vec4<f32>) {
  if (m >= at.M) { return; }
  let v = finished(at, m, n, sum);
  let c = at.first + m * at.YM + (n + STEPS) * at.YN;
  y[c.x] = v.x;
  y[c.y] = v.y;
  y[c.z] = v.z;
  y[c.w] = v.w;
}

// The same where N is a multiple of 4 and YN is 1.
fn putRow4(at: Place, m: u32, n: u32, sum: vec4<f32>) {
  if (m >= at.M || n >= at.N) { return; }
  y4[(at.first + m * at.YM + n) / 4u] = finished(at, m, n, sum);
}

@group(0) @binding(0) var<storage, read> partial: array<f32>;  // SPLITS copies of the sums

// y from the sums of all splits, added in order; one element per invocation.
@compute @workgroup_size(64)
fn combine(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
  let e = (wg.y * groups.x + wg.x) * 64u + lane;
  if (e >= sizes.BATCH * sizes.M * sizes.N) { return; }
  var sum = 0.0;
  for (var s = 0u; s < sizes.SPLITS; s++) { sum += partial[s * sizes.BATCH * sizes.M * sizes.N + e]; }
  let r = e % (sizes.M * sizes.N);
  let byColumn = sizes.YM == 1u;
  let m = select(r / sizes.N, r % sizes.M, byColumn);
  let n = select(r % sizes.N, r / sizes.M, byColumn);
  y[e] = finished(place(e - r), m, n, vec4(sum)).x;
}
