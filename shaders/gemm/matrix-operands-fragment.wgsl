// FRAGMENT: operands, see gemm-fragment.wgsl. A and B are matrices in memory, transposed or not, or batches of them:
// A is `a` as stored or, with TRANSPOSE_A, its transpose; B likewise. Needs matrix-result-fragment.wgsl for `Sizes`.
//
// Batch: z runs over Z0 x Z1 x Z2; a moves by A0, A1, A2 and b by B0, B1, B2 (0 where it is broadcast).
// Split-K: the workgroups of split s sum over CHUNK k steps from s * CHUNK on and write to copy s of the result.

override A_VECTOR: bool;   // blocks of a as stored are read as vec4: its columns are a multiple of 4
override B_VECTOR: bool;
override A_EVEN: bool;     // the subgroup tile reads two numbers at a time: columns of a are even
override B_EVEN: bool;
override UNBATCHED: bool;  // one product and one split, which spares divisions

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> a2: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read> a4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> b2: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> b4: array<vec4<f32>>;

fn workOf(wg: vec3<u32>, groups: vec3<u32>) -> Work {
  let tiles = sizes.TILES_M * sizes.TILES_N;
  let g = wg.y * groups.x + wg.x;
  var copy = 0u;  // z of split 0, then z of split 1, …
  var split = select(0u, 1u, g >= tiles);
  if (!UNBATCHED) {
    copy = g / tiles;
    split = copy / sizes.BATCH;
  }
  let tile = g - copy * tiles;
  let first = split * sizes.CHUNK;
  let last = min(first + sizes.CHUNK, sizes.K) * groups.z;
  // Workgroups beyond the last get a tile below the last row, which stores nothing.
  let tileM = select(sizes.M, tile / sizes.TILES_N, split < sizes.SPLITS);
  let z = select(copy - split * sizes.BATCH, 0u, UNBATCHED);
  return Work(z, tileM, tile % sizes.TILES_N, first, last, destination(copy, z), groups.z);
}

fn batchStart(z: u32, move0: u32, move1: u32, move2: u32) -> u32 {
  if (UNBATCHED) { return 0u; }
  return (z / (sizes.Z1 * sizes.Z2)) * move0 + ((z / sizes.Z2) % sizes.Z1) * move1 + (z % sizes.Z2) * move2;
}

// Where four rows of A or columns of B begin, and the way from one row as stored to the next.
struct Lines {
  at: vec4<u32>,
  stride: u32,
}
alias Rows = Lines;
alias Columns = Lines;

fn rowsOf(z: u32, m: u32) -> Rows {
  let at = min(m + STEPS, vec4(sizes.M - 1u)) * select(sizes.A_COLUMNS, 1u, TRANSPOSE_A);
  return Lines(batchStart(z, sizes.A0, sizes.A1, sizes.A2) + at, sizes.A_COLUMNS);
}

fn columnsOf(z: u32, n: u32) -> Columns {
  let at = min(n + STEPS, vec4(sizes.N - 1u)) * select(1u, sizes.B_COLUMNS, TRANSPOSE_B);
  return Lines(batchStart(z, sizes.B0, sizes.B1, sizes.B2) + at, sizes.B_COLUMNS);
}

// k steps k … k + 3; those from K on repeat the last one.
fn clamped(k: u32) -> vec4<u32> {
  if (K_TAIL) { return min(k + STEPS, vec4(sizes.K - 1u)); }
  return k + STEPS;
}

// The elements of a at rows + columns, one row per column of the result.
fn aStored(rows: vec4<u32>, columns: vec4<u32>) -> mat4x4<f32> {
  if (A_VECTOR) {
    let at = (rows + columns.x) / 4u;
    return mat4x4(a4[at.x], a4[at.y], a4[at.z], a4[at.w]);
  }
  return mat4x4(aFour(rows.x + columns), aFour(rows.y + columns), aFour(rows.z + columns), aFour(rows.w + columns));
}

fn aFour(at: vec4<u32>) -> vec4<f32> {
  return vec4(a[at.x], a[at.y], a[at.z], a[at.w]);
}

fn bStored(rows: vec4<u32>, columns: vec4<u32>) -> mat4x4<f32> {
  if (B_VECTOR) {
    let at = (rows + columns.x) / 4u;
    return mat4x4(b4[at.x], b4[at.y], b4[at.z], b4[at.w]);
  }
  return mat4x4(bFour(rows.x + columns), bFour(rows.y + columns), bFour(rows.z + columns), bFour(rows.w + columns));
}

fn bFour(at: vec4<u32>) -> vec4<f32> {
  return vec4(b[at.x], b[at.y], b[at.z], b[at.w]);
}

fn aBlock(z: u32, rows: Rows, k: u32) -> mat4x4<f32> {
  var block: mat4x4<f32>;
  if (TRANSPOSE_A) {
    block = transpose(aStored(clamped(k) * rows.stride, rows.at));
  } else {
    block = aStored(rows.at, clamped(k));
  }
  if (!K_TAIL) { return block; }
  let inside = k + STEPS < vec4(sizes.K);
  let zero = vec4<f32>();
  return mat4x4(select(zero, block[0], inside), select(zero, block[1], inside),
                select(zero, block[2], inside), select(zero, block[3], inside));
}

fn bBlock(z: u32, columns: Columns, k: u32) -> mat4x4<f32> {
  var block: mat4x4<f32>;
  if (TRANSPOSE_B) {
    block = transpose(bStored(columns.at, clamped(k)));
  } else {
    block = bStored(clamped(k) * columns.stride, columns.at);
  }
  if (!K_TAIL) { return block; }
  let inside = k + STEPS < vec4(sizes.K);
  let zero = vec4<f32>();
  return mat4x4(select(zero, block[0], inside.x), select(zero, block[1], inside.y),
                select(zero, block[2], inside.z), select(zero, block[3], inside.w));
}

alias Counter = u32;
alias Steps = vec2<u32>;

fn counterFrom(k: u32) -> Counter {
  return k;
}

fn counterAfter(counter: Counter, k: u32) -> Counter {
  return k;
}

fn stepsOf(counter: Counter, k: u32) -> Steps {
  if (K_TAIL) { return vec2(k, min(k + 1u, sizes.K - 1u)); }
  return vec2(k, k + 1u);
}

fn aPair(z: u32, rows: Rows, k: Steps) -> mat2x4<f32> {
  if (A_EVEN & !TRANSPOSE_A) {
    let at = (rows.at + k.x) >> vec4(1u);
    return transpose(mat4x2(a2[at.x], a2[at.y], a2[at.z], a2[at.w]));
  }
  if (A_EVEN) {
    let at = (rows.at.x + k * rows.stride) >> vec2(1u);
    return mat2x4(vec4(a2[at.x], a2[at.x + 1u]), vec4(a2[at.y], a2[at.y + 1u]));
  }
  let stride = select(1u, rows.stride, TRANSPOSE_A);
  return mat2x4(aFour(rows.at + k.x * stride), aFour(rows.at + k.y * stride));
}

fn bPair(z: u32, columns: Columns, k: Steps) -> mat2x4<f32> {
  if (B_EVEN & TRANSPOSE_B) {
    let at = (columns.at + k.x) >> vec4(1u);
    return transpose(mat4x2(b2[at.x], b2[at.y], b2[at.z], b2[at.w]));
  }
  if (B_EVEN) {
    let at = (columns.at.x + k * columns.stride) >> vec2(1u);
    return mat2x4(vec4(b2[at.x], b2[at.x + 1u]), vec4(b2[at.y], b2[at.y + 1u]));
  }
  let stride = select(columns.stride, 1u, TRANSPOSE_B);
  return mat2x4(bFour(columns.at + k.x * stride), bFour(columns.at + k.y * stride));
}
