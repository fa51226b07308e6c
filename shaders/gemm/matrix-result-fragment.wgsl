// FRAGMENT: a result, see gemm-fragment.wgsl; with one of the matrix-store fragments.
//   y[z, m, n] = activation(sum + bias[m or n]), times f'(extra[z, m, n]) or plus extra[z, m, n]
// y and extra are M x N for each z, with strides YM and YN. Needs special-functions.wgsl.

override BIAS: u32;        // 0 none, 1 per column, 2 per row; every z % Z2 has its own
override activation: u32;  // 0 none, or relu where sizes.RELU is 1; 2 sigmoid, 3 tanh, 4 gelu, 5 gelu by tanh, 6 silu
override EXTRA: u32;       // 0 none; 1 … 6 a factor, the derivative of that activation (1 relu); 7 a term

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
  RELU: u32,
}
@group(0) @binding(7) var<uniform> sizes: Sizes;

@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> extra: array<f32>;

// Read once per workgroup, not with every row.
struct Destination {
  first: u32,  // where y[z] begins
  bias: u32,   // where the bias of z begins
  M: u32,
  N: u32,
  YM: u32,
  YN: u32,
}

fn destination(copy: u32, z: u32) -> Destination {
  let bias = z % sizes.Z2 * select(sizes.N, sizes.M, BIAS == 2u);
  return Destination(copy * sizes.M * sizes.N, bias, sizes.M, sizes.N, sizes.YM, sizes.YN);
}

fn activate(x: vec4<f32>) -> vec4<f32> {
  if (activation == 2u) { return sigmoid4(x); }
  if (activation == 3u) { return tanh4(x); }
  if (activation == 4u) { return gelu4(x); }
  if (activation == 5u) { return geluTanh4(x); }
  if (activation == 6u) { return silu4(x); }
  return select(x, relu4(x), sizes.RELU == 1u);
}

// `sums` plus the bias, for columns n … n + 3 of row m.
fn biased(d: Destination, m: u32, n: u32, sums: vec4<f32>) -> vec4<f32> {
  if (BIAS == 1u) {
    let at = d.bias + min(n + STEPS, vec4(d.N - 1u));
    return sums + vec4(bias[at.x], bias[at.y], bias[at.z], bias[at.w]);
  }
  if (BIAS == 2u) { return sums + bias[d.bias + m]; }
  return sums;
}

// Columns n … n + 3 of row m of y, from their sums plus bias.
fn finished(d: Destination, m: u32, n: u32, v: vec4<f32>) -> vec4<f32> {
  if (EXTRA == 0u) { return activate(v); }
  let at = d.first + m * d.YM + min(n + STEPS, vec4(d.N - 1u)) * d.YN;
  return withExtra(EXTRA, activate(v), vec4(extra[at.x], extra[at.y], extra[at.z], extra[at.w]));
}
