// FRAGMENT: the gradient of the recurrence, from the last step to the first; see recurrence-fragment.wgsl for the interface and the
// names. Needs steps-fragment.wgsl and special-functions.wgsl.
//   dy [N, T, H]     ds: gradient of `state`     w [GATES H, H]     saved: y for an RNN
//   dr [N, T, GATES H]  gradient of the recurrent products     dx: that of x, the same and not written for all but a GRU
//   ds0 [STATES, N, H]  gradient of h and c after the step in turn; in the end, that of the initial state

override KIND: u32;
override GATES: u32;
override SAVED: u32;
override STATES: u32;
override REVERSE: bool;
override DY: bool;
override DS: bool;
override INITIAL: bool;  // the gradient of the initial state is needed, which is one more product

const RNN_RELU = 1u;
const LSTM = 2u;
const GRU = 3u;

override SUMS: u32 = 1;
override INNER: u32 = GATES * H;
override SWEEPS: u32 = T + u32(INITIAL);

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> ds: array<f32>;
@group(0) @binding(2) var<storage, read> w4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> saved: array<f32>;
@group(0) @binding(4) var<storage, read> lengths: array<u32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<storage, read_write> dr: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> ds0: array<f32>;

fn hasProduct(s: u32) -> bool { return s > 0u; }

fn aAt(i: u32) -> f32 { return dr[i / 2u][i % 2u]; }

fn aPair(i: u32) -> vec2<f32> {
  if (INNER % 2u == 0u) { return dr[i / 2u]; }
  return vec2(aAt(i), aAt(i + 1u));
}

// The step that sweep s is about.
fn timeOf(s: u32) -> u32 { return select(T - 1u - s, s, REVERSE); }

fn aRow(n: u32, s: u32) -> u32 { return (n * T + timeOf(s - 1u)) * INNER; }

fn bColumns(j: u32) -> vec4<u32> { return min(j + vec4(0u, 1u, 2u, 3u), vec4(H - 1u)); }

fn wAt(i: u32) -> f32 { return w4[i / 4u][i % 4u]; }

fn wFour(columns: vec4<u32>, k: u32) -> vec4<f32> {
  let row = k * H;
  if (H % 4u == 0u) { return w4[(row + columns.x) / 4u]; }
  return vec4(wAt(row + columns.x), wAt(row + columns.y), wAt(row + columns.z), wAt(row + columns.w));
}

fn bPair(columns: vec4<u32>, k: u32) -> mat2x4<f32> { return mat2x4(wFour(columns, k), wFour(columns, k + 1u)); }

fn bAt(j: u32, k: u32) -> f32 {
  if (k >= INNER) { return 0.0; }
  return wAt(k * H + j);
}

fn bBlock(j: u32, g: u32, k: u32) -> vec4<f32> {
  return vec4(bAt(j, k), bAt(j, k + 1u), bAt(j, k + 2u), bAt(j, k + 3u));
}

fn begin(n: u32, j: u32) {
  for (var plane = 0u; plane < STATES; plane++) {
    let i = (plane * N + n) * H + j;
    var d = 0.0;
    if (DS) { d = ds[i]; }
    ds0[i] = d;
  }
}

fn advance(n: u32, s: u32, j: u32, products: vec4<f32>) {
  let i = n * H + j;
  var dh = ds0[i] + products.x;
  if (!INITIAL || s < T) {
    let t = timeOf(s);
    if (isStep(lengths[n], t)) {
      if (DY) { dh += dy[(n * T + t) * H + j]; }
      dh = cell(n, t, j, dh);
    } else {
      for (var gate = 0u; gate < GATES; gate++) { setBoth(n, t, j, gate, 0.0); }
    }
  }
  ds0[i] = dh;
}

fn setProduct(n: u32, t: u32, j: u32, gate: u32, d: f32) {
  let i = ((n * T + t) * GATES + gate) * H + j;
  dr[i / 2u][i % 2u] = d;
  keepRow(n, gate * H + j, d);
}

fn setBoth(n: u32, t: u32, j: u32, gate: u32, d: f32) {
  if (KIND == GRU) { dx[((n * T + t) * GATES + gate) * H + j] = d; }
  setProduct(n, t, j, gate, d);
}

// The gradient of h before the step, as far as it does not go through the products.
fn cell(n: u32, t: u32, j: u32, dh: f32) -> f32 {
  let at = (n * T + t) * SAVED * H + j;
  let first = saved[at];
  if (KIND < LSTM) {
    setBoth(n, t, j, 0u, select(dh * (1.0 - first * first), select(0.0, dh, passes(first)), KIND == RNN_RELU));
    return 0.0;
  }
  let second = saved[at + H];
  let third = saved[at + 2u * H];
  let fourth = saved[at + 3u * H];
  let before = saved[at + 4u * H];
  if (KIND == LSTM) {
    let tanhC = tanhOf(second * before + first * third);
    let c = (N + n) * H + j;
    let d = ds0[c] + dh * fourth * (1.0 - tanhC * tanhC);
    setBoth(n, t, j, 0u, d * third * first * (1.0 - first));
    setBoth(n, t, j, 1u, d * before * second * (1.0 - second));
    setBoth(n, t, j, 2u, d * first * (1.0 - third * third));
    setBoth(n, t, j, 3u, dh * tanhC * fourth * (1.0 - fourth));
    ds0[c] = d * second;
    return 0.0;
  }
  let candidate = dh * (1.0 - second) * (1.0 - third * third);
  setBoth(n, t, j, 0u, candidate * fourth * first * (1.0 - first));
  setBoth(n, t, j, 1u, dh * (before - third) * second * (1.0 - second));
  dx[((n * T + t) * GATES + 2u) * H + j] = candidate;
  setProduct(n, t, j, 2u, candidate * first);
  return dh * second;
}
