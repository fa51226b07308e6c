// FRAGMENT: a result, see gemm-fragment.wgsl; with matrix-store-fragment.wgsl or matrix-store-vector-fragment.wgsl.
//   y[z, m, n] = f'(saved[z, m, n]) * activation(sum + bias[m or n])
// y is M x N for each z, with strides YM and YN. f' is the derivative of activation `savedActivation`, from its output.
// Needs special-functions.wgsl.

override BIAS: u32;             // 0 none, 1 per column, 2 per row; every z % Z2 has its own
override activation: u32;       // 0 none, or relu where sizes.RELU is 1; 2 sigmoid, 3 tanh
override savedActivation: u32;  // activation whose output is saved: 0 none, 1 relu, 2 sigmoid, 3 tanh

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
@group(0) @binding(5) var<storage, read> saved: array<f32>;

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
  return select(x, relu4(x), sizes.RELU == 1u);
}

// v times the derivative of the activation that gave y.
fn activationGradient(v: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
  if (savedActivation == 1u) { return select(vec4<f32>(), v, passes4(y)); }
  if (savedActivation == 2u) { return v * (y * (1.0 - y)); }
  return v * (1.0 - y * y);
}

// Columns n … n + 3 of row m of y, from their sums.
fn finished(d: Destination, m: u32, n: u32, sums: vec4<f32>) -> vec4<f32> {
  var v = sums;
  let columns = min(n + STEPS, vec4(d.N - 1u));
  if (BIAS == 1u) {
    let at = d.bias + columns;
    v += vec4(bias[at.x], bias[at.y], bias[at.z], bias[at.w]);
  }
  if (BIAS == 2u) { v += bias[d.bias + m]; }
  v = activate(v);
  if (savedActivation != 0u) {
    let at = d.first + m * d.YM + columns * d.YN;
    v = activationGradient(v, vec4(saved[at.x], saved[at.y], saved[at.z], saved[at.w]));
  }
  return v;
}
