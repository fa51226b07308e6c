// FRAGMENT: operands, see gemm-fragment.wgsl and conv-fragment.wgsl. A convolution, or with INPUT_GRADIENT the gradient of its
// input, as a product with an im2col view: A is the weight, OG channels of the result x elements of the kernel; B has one
// column per output position and one row per element of the kernel, read from the image in place.
//   forward         image x,  result y,  w [O, CG, KH, KW]
//   INPUT_GRADIENT  image dy, result dx, w [C, OG, KH, KW]: C, CG, H, W are those of dy and O, OG those of x
// Needs a result with `fn positionsOf(n: u32) -> Positions`: output positions n … n + 3, beyond the last the last one.

override INPUT_GRADIENT: bool;
override CHANNELS_INNER: bool;  // k is (row, column, channel) of a kernel element, else (channel, row, column) as in memory

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> w4: array<vec4<f32>>;

// Between two channels of the image in w.
fn channelStride() -> u32 {
  return select(1u, OG, INPUT_GRADIENT) * (KH * KW);
}

// Channel, row and column of kernel element k.
fn elementOf(k: u32) -> vec3<u32> {
  if (CHANNELS_INNER) {
    let r = k / CG;
    let row = r / KW;
    return vec3(k - r * CG, row, r - row * KW);
  }
  let r = k / KW;
  let c = r / KH;
  return vec3(c, r - c * KH, k - r * KW);
}

// Where rows m … m + 3 of A begin in w.
alias Rows = vec4<u32>;

fn rowsOf(z: u32, m: u32) -> Rows {
  return (z * (OG * CG) + min(m + STEPS, vec4(OG - 1u)) * select(CG, 1u, INPUT_GRADIENT)) * (KH * KW);
}

fn aBlock(z: u32, rows: Rows, k: u32) -> mat4x4<f32> {
  if (!CHANNELS_INNER & (DEPTH % 4u == 0u)) {
    let at = (rows + k) / 4u;
    if (K_TAIL & (k >= DEPTH)) { return mat4x4<f32>(); }
    return mat4x4(w4[at.x], w4[at.y], w4[at.z], w4[at.w]);
  }
  let steps = min(k + STEPS, vec4(DEPTH - 1u));
  var at = steps;
  if (CHANNELS_INNER) { at = steps % CG * channelStride() + steps / CG; }
  if (CHANNELS_INNER & (CG % 4u == 0u)) { at = k % CG * channelStride() + k / CG + STEPS * channelStride(); }
  let inside = k + STEPS < vec4(DEPTH);
  let zero = vec4<f32>();
  return mat4x4(select(zero, wFour(rows.x + at), inside), select(zero, wFour(rows.y + at), inside),
                select(zero, wFour(rows.z + at), inside), select(zero, wFour(rows.w + at), inside));
}

fn wFour(at: vec4<u32>) -> vec4<f32> {
  return vec4(w[at.x], w[at.y], w[at.z], w[at.w]);
}

// Of four output positions: the first element of their group's channels in the image, and the pixel that kernel element
// (0, 0) falls on; for the input gradient before division by the stride.
struct Columns {
  image: vec4<u32>,
  row: vec4<u32>,
  column: vec4<u32>,
}

fn columnsOf(z: u32, n: u32) -> Columns {
  let p = positionsOf(n);
  let image = (p.image * C + z * CG) * (H * W);
  if (INPUT_GRADIENT) { return Columns(image, p.row + padTop, p.column + padLeft); }
  return Columns(image, p.row * strideY - padTop, p.column * strideX - padLeft);
}

struct Pixels {
  at: vec4<u32>,
  inside: vec4<bool>,
}

// The pixels under a kernel element. Above or left of the image unsigned rows and columns have wrapped round to something huge.
fn pixelsAt(columns: Columns, element: vec3<u32>) -> Pixels {
  var row = columns.row + element.y * dilationY;
  var column = columns.column + element.z * dilationX;
  var inside = vec4(true);
  if (INPUT_GRADIENT) {
    let up = columns.row - element.y * dilationY;
    let left = columns.column - element.z * dilationX;
    row = up / strideY;
    column = left / strideX;
    inside = (row * strideY == up) & (column * strideX == left);
  }
  return Pixels(columns.image + (element.x * H + row) * W + column, inside & (row < vec4(H)) & (column < vec4(W)));
}

// Of the channel `further` than the one that they are for.
fn pixelsOf(p: Pixels, further: u32) -> vec4<f32> {
  let at = p.at + further * (H * W);
  return select(vec4<f32>(), vec4(x[at.x], x[at.y], x[at.z], x[at.w]), p.inside);
}

fn bBlock(z: u32, columns: Columns, k: u32) -> mat4x4<f32> {
  if (K_TAIL & (k >= DEPTH)) { return mat4x4<f32>(); }
  if (CHANNELS_INNER & (CG % 4u == 0u)) {
    let p = pixelsAt(columns, elementOf(k));
    return mat4x4(pixelsOf(p, 0u), pixelsOf(p, 1u), pixelsOf(p, 2u), pixelsOf(p, 3u));
  }
  return mat4x4(bRow(columns, k), bRow(columns, k + 1u), bRow(columns, k + 2u), bRow(columns, k + 3u));
}

fn bRow(columns: Columns, k: u32) -> vec4<f32> {
  var p = pixelsAt(columns, elementOf(min(k, DEPTH - 1u)));
  if (K_TAIL) { p.inside &= vec4(k < DEPTH); }
  return pixelsOf(p, 0u);
}

// Divided from k each time: counting on is not faster here.
alias Counter = u32;

fn counterFrom(k: u32) -> Counter {
  return k;
}

fn counterAfter(counter: Counter, k: u32) -> Counter {
  return k;
}

// Two kernel elements: channel, row and column.
struct Steps {
  first: vec3<u32>,
  second: vec3<u32>,
}

// Whether k and k + 1 are channels side by side of one row and column of the kernel.
fn channelPairs() -> bool {
  return CHANNELS_INNER & (CG % 2u == 0u);
}

fn stepsOf(counter: Counter, k: u32) -> Steps {
  let first = elementOf(k);
  if (channelPairs()) { return Steps(first, vec3(first.x + 1u, first.yz)); }
  return Steps(first, elementOf(min(k + 1u, DEPTH - 1u)));
}

fn aPair(z: u32, rows: Rows, s: Steps) -> mat2x4<f32> {
  let at = s.first.x * channelStride() + s.first.y * KW + s.first.z;
  var next = at + channelStride();
  if (!channelPairs()) { next = s.second.x * channelStride() + s.second.y * KW + s.second.z; }
  return mat2x4(wFour(rows + at), wFour(rows + next));
}

fn bPair(z: u32, columns: Columns, s: Steps) -> mat2x4<f32> {
  let first = pixelsAt(columns, s.first);
  if (channelPairs()) { return mat2x4(pixelsOf(first, 0u), pixelsOf(first, 1u)); }
  return mat2x4(pixelsOf(first, 0u), pixelsOf(pixelsAt(columns, s.second), 0u));
}
