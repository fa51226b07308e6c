// FRAGMENT: the recurrence of one layer and direction, what a step is made of. One of step-by-step.wgsl, subgroup-loop.wgsl and
// workgroup-loop.wgsl has the entry points and says in which order. Needs steps-fragment.wgsl and special-functions.wgsl.
//   x [N, T, GATES H]  what inputs contribute to the gates     w [GATES H, H], b [GATES H]     s0 [STATES, N, H]
//   y [N, T, H]     state [STATES + 1, N, H]: plane 0 is h after the last step, plane 1 c of an LSTM
//   saved [N, T, SAVED, H]: i, f, g, o and c before the step, or r, z, n, the product that r scales and h before the step
//
// It provides, as recurrence-backward-fragment.wgsl does, a recurrence  v = A(s) B,  then `advance` with v, for s = 0, 1, … SWEEPS - 1:
//   SUMS, INNER        products per unit, and the length of their sums
//   begin(n, j)        before the first step, for every sample and unit
//   hasProduct(s)      whether A(s) is not zero
//   aRow(n, s)         the index of A's row of sample n;  aAt(i), aPair(i): its elements
//   bColumns(j), bPair(columns, k), bBlock(j, g, k)     B: four columns from unit j on (or the sums of unit j) at k and k + 1;
//                      sum g of unit j at k … k + 3
//   advance(n, s, j, v)

override KIND: u32;
override GATES: u32;
override SAVED: u32;
override STATES: u32;
override REVERSE: bool;
override BIAS: bool;
override INITIAL: bool;
override PING_PONG: bool;  // h alternates between plane 0 and the last one: rows of A are read while others are written

const RNN_RELU = 1u;
const LSTM = 2u;
const GRU = 3u;

override SUMS: u32 = GATES;
override INNER: u32 = H;
override SWEEPS: u32 = T;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w2: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read> w4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> s0: array<f32>;
@group(0) @binding(4) var<storage, read> lengths: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> state: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> saved: array<f32>;

fn hasProduct(s: u32) -> bool { return true; }

fn aAt(i: u32) -> f32 { return state[i / 2u][i % 2u]; }

fn setState(i: u32, v: f32) { state[i / 2u][i % 2u] = v; }

fn aPair(i: u32) -> vec2<f32> {
  if (H % 2u == 0u) { return state[i / 2u]; }
  return vec2(aAt(i), aAt(i + 1u));
}

// Index of h before step s.
fn planeOf(s: u32) -> u32 {
  if (!PING_PONG || (T - s) % 2u == 0u) { return 0u; }
  return STATES * N * H;
}

fn aRow(n: u32, s: u32) -> u32 { return planeOf(s) + n * H; }

// Columns of B are rows of w: those of the gates of unit j, or of four units with one gate each.
fn bColumns(j: u32) -> vec4<u32> {
  let four = vec4(0u, 1u, 2u, 3u);
  if (GATES == 1u) { return min(j + four, vec4(H - 1u)) * H; }
  return (min(four, vec4(GATES - 1u)) * H + min(j, H - 1u)) * H;
}

fn wPair(i: u32) -> vec2<f32> {
  if (H % 2u == 0u) { return w2[i / 2u]; }
  return vec2(w2[i / 2u][i % 2u], w2[(i + 1u) / 2u][(i + 1u) % 2u]);
}

fn bPair(columns: vec4<u32>, k: u32) -> mat2x4<f32> {
  return transpose(mat4x2(wPair(columns.x + k), wPair(columns.y + k), wPair(columns.z + k), wPair(columns.w + k)));
}

fn bAt(j: u32, g: u32, k: u32) -> f32 {
  if (k >= H) { return 0.0; }
  let i = (g * H + j) * H + k;
  return w4[i / 4u][i % 4u];
}

fn bBlock(j: u32, g: u32, k: u32) -> vec4<f32> {
  if (H % 4u == 0u) { return w4[((g * H + j) * H + k) / 4u]; }
  return vec4(bAt(j, g, k), bAt(j, g, k + 1u), bAt(j, g, k + 2u), bAt(j, g, k + 3u));
}

fn begin(n: u32, j: u32) {
  let i = n * H + j;
  var h = 0.0;
  var c = 0.0;
  if (INITIAL) {
    h = s0[i];
    if (KIND == LSTM) { c = s0[N * H + i]; }
  }
  setState(planeOf(0u) + i, h);
  if (KIND == LSTM) { setState(N * H + i, c); }
}

fn advance(n: u32, s: u32, j: u32, products: vec4<f32>) {
  let i = n * H + j;
  let t = select(s, T - 1u - s, REVERSE);
  var h = aAt(planeOf(s) + i);
  var output = 0.0;
  if (isStep(lengths[n], t)) {
    h = cell(n, t, j, products, h);
    output = h;
  }
  y[(n * T + t) * H + j] = output;
  setState(planeOf(s + 1u) + i, h);
}

// h after the step.
fn cell(n: u32, t: u32, j: u32, products: vec4<f32>, h: f32) -> f32 {
  let at = (n * T + t) * GATES * H + j;
  let to = (n * T + t) * SAVED * H + j;
  var r = products;
  if (BIAS) { r += vec4(b[j], gateOf(1u, j), gateOf(2u, j), gateOf(3u, j)); }
  if (KIND == LSTM) {
    let i = sigmoidOf(x[at] + r.x);
    let f = sigmoidOf(x[at + H] + r.y);
    let g = tanhOf(x[at + 2u * H] + r.z);
    let o = sigmoidOf(x[at + 3u * H] + r.w);
    let c = aAt((N + n) * H + j);
    saved[to] = i;
    saved[to + H] = f;
    saved[to + 2u * H] = g;
    saved[to + 3u * H] = o;
    saved[to + 4u * H] = c;
    let next = f * c + i * g;
    setState((N + n) * H + j, next);
    return o * tanhOf(next);
  }
  if (KIND == GRU) {
    let reset = sigmoidOf(x[at] + r.x);
    let z = sigmoidOf(x[at + H] + r.y);
    let candidate = tanhOf(x[at + 2u * H] + reset * r.z);
    saved[to] = reset;
    saved[to + H] = z;
    saved[to + 2u * H] = candidate;
    saved[to + 3u * H] = r.z;
    saved[to + 4u * H] = h;
    return (1.0 - z) * candidate + z * h;
  }
  if (KIND == RNN_RELU) { return reluOf(x[at] + r.x); }
  return tanhOf(x[at] + r.x);
}

fn gateOf(gate: u32, j: u32) -> f32 {
  if (gate >= GATES) { return 0.0; }
  return b[gate * H + j];
}
