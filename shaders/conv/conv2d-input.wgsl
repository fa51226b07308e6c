// dx = w^T * dy as a matrix product that never lays out its columns: A is w turned, CG channels x KH KW OG taps, B has
// one column per pixel of x and one row per tap (ky, kx, o), read from dy in place. Goes with the tiles of
// matmul-quad.wgsl or matmul.wgsl and with conv2d-part.wgsl.
// x [N, C, H, W], w [O, CG, KH, KW], dy [N, O, OH, OW].

override N: u32;
override C: u32;
override H: u32;
override W: u32;
override O: u32;
override CG: u32;
override OG: u32;
override KH: u32;
override KW: u32;
override OH: u32;
override OW: u32;
override strideY: u32;
override strideX: u32;
override padTop: u32;
override padLeft: u32;
override dilationY: u32;
override dilationX: u32;
override GROUPS: u32;
override TILES_M: u32;
override TILES_N: u32;
override RAGGED: bool;       // the last step along the taps goes over the edge
override TRANSPOSE_A: bool;  // true: channels lie nearer to each other than taps
override TRANSPOSE_B: bool;  // false: pixels lie side by side

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx4: array<vec4<f32>>;

// num_workgroups.z is 1, which compilers do not know: loops over memory whose bounds depend on it are not unrolled,
// which would take CPU adapters seconds.
fn partOf(wg: vec3<u32>, groups: vec3<u32>) -> Part {
  let g = wg.y * groups.x + wg.x;
  let tile = g % (TILES_M * TILES_N);
  let z = g / (TILES_M * TILES_N);
  // Workgroups beyond the last get a tile below the last row, which writes nothing.
  let tileM = select(tile / TILES_N, TILES_M, z >= GROUPS);
  return Part(min(z, GROUPS - 1u), tileM, tile % TILES_N, 0u, OG * KH * KW * groups.z, z * CG, groups.z);
}

// Where channels m … m + 3 begin in w; those over the edge are the last one again.
fn aStart(z: u32, m: u32) -> vec4<u32> {
  return (z * OG * CG + min(m + STEPS, vec4(CG - 1u))) * (KH * KW);
}

// One channel per column, over taps k … k + 3; taps over the edge are zero.
fn aBlock(start: vec4<u32>, k: u32) -> mat4x4<f32> {
  if (OG % 4u == 0u) {
    if (RAGGED & (k >= OG * KH * KW)) { return mat4x4<f32>(); }
    let at = k % OG * (CG * KH * KW) + k / OG + STEPS * (CG * KH * KW);
    let all = vec4(true);
    return mat4x4(aColumn(start.x + at, all), aColumn(start.y + at, all),
                  aColumn(start.z + at, all), aColumn(start.w + at, all));
  }
  let taps = min(k + STEPS, vec4(OG * KH * KW - 1u));
  let inside = k + STEPS < vec4(OG * KH * KW);
  let at = taps % OG * (CG * KH * KW) + taps / OG;
  return mat4x4(aColumn(start.x + at, inside), aColumn(start.y + at, inside),
                aColumn(start.z + at, inside), aColumn(start.w + at, inside));
}

fn aColumn(at: vec4<u32>, inside: vec4<bool>) -> vec4<f32> {
  return select(vec4<f32>(), vec4(w[at.x], w[at.y], w[at.z], w[at.w]), inside);
}

// Channel, row and column of tap k.
fn tapOf(k: u32) -> vec3<u32> {
  let r = k / OG;
  let row = r / KW;
  return vec3(k - r * OG, row, r - row * KW);
}

// Divided from the tile's k each time: counting on is not faster here.
alias Counter = u32;

fn counterFrom(k: u32) -> Counter {
  return k;
}

fn counterAfter(before: Counter, k: u32) -> Counter {
  return k;
}

fn pairOf(counter: Counter, k: u32) -> Pair {
  let first = tapOf(k);
  if (OG % 2u == 0u) { return Pair(first, vec3(first.x + 1u, first.yz)); }
  return Pair(first, tapOf(min(k + 1u, OG * KH * KW - 1u)));
}

fn aPair(start: vec4<u32>, p: Pair) -> mat2x4<f32> {
  let at = p.first.x * (CG * KH * KW) + p.first.y * KW + p.first.z;
  var next = at + CG * KH * KW;
  if (OG % 2u != 0u) { next = p.second.x * (CG * KH * KW) + p.second.y * KW + p.second.z; }
  return mat2x4(aColumn(start + at, vec4(true)), aColumn(start + next, vec4(true)));
}

// Of four pixels of x: the image's first element in dy, and the pixel's row and column with padding.
struct Columns {
  image: vec4<u32>,
  row: vec4<u32>,
  column: vec4<u32>,
}

fn bStart(z: u32, n: u32) -> Columns {
  let p = min(n + STEPS, vec4(N * H * W - 1u));
  return Columns((p / (H * W) * O + z * OG) * (OH * OW), p / W % H + padTop, p % W + padLeft);
}

// One tap per column, over four pixels; taps over the edge are zero.
fn bBlock(start: Columns, k: u32) -> mat4x4<f32> {
  if (RAGGED & (k >= OG * KH * KW)) { return mat4x4<f32>(); }
  if (OG % 4u == 0u) {
    // Four channels of one place.
    let at = gradientsAt(start, tapOf(k));
    return mat4x4(gradient(at, 0u), gradient(at, 1u), gradient(at, 2u), gradient(at, 3u));
  }
  return mat4x4(gradients(start, k), gradients(start, k + 1u), gradients(start, k + 2u), gradients(start, k + 3u));
}

struct Gradients {
  at: vec4<u32>,
  inside: vec4<bool>,
}

fn gradients(start: Columns, k: u32) -> vec4<f32> {
  var g = gradientsAt(start, tapOf(min(k, OG * KH * KW - 1u)));
  if (RAGGED) { g.inside &= vec4(k < OG * KH * KW); }
  return gradient(g, 0u);
}

// Of the channel `further` than the one that they are for.
fn gradient(g: Gradients, further: u32) -> vec4<f32> {
  let at = g.at + further * (OH * OW);
  return select(vec4<f32>(), vec4(dy[at.x], dy[at.y], dy[at.z], dy[at.w]), g.inside);
}

fn gradientsAt(start: Columns, tap: vec3<u32>) -> Gradients {
  // Above or left of dy the unsigned difference wraps round to something huge.
  let y = start.row - tap.y * dilationY;
  let x = start.column - tap.z * dilationX;
  let row = y / strideY;
  let column = x / strideX;
  let inside = (row < vec4(OH)) & (column < vec4(OW)) & (row * strideY == y) & (column * strideX == x);
  return Gradients(start.image + (tap.x * OH + row) * OW + column, inside);
}

fn bPair(start: Columns, p: Pair) -> mat2x4<f32> {
  let first = gradientsAt(start, p.first);
  if (OG % 2u == 0u) { return mat2x4(gradient(first, 0u), gradient(first, 1u)); }
  return mat2x4(gradient(first, 0u), gradient(gradientsAt(start, p.second), 0u));
}

fn putRow(first: u32, m: u32, n: u32, sum: vec4<f32>) {
  put(first, m, n, sum.x);
  put(first, m, n + 1u, sum.y);
  put(first, m, n + 2u, sum.z);
  put(first, m, n + 3u, sum.w);
}

fn put(first: u32, m: u32, p: u32, value: f32) {
  if ((m < CG) & (p < N * H * W)) { dx[(p / (H * W) * C + first + m) * (H * W) + p % (H * W)] = value; }
}

// The same where H * W is a multiple of 4.
fn putRow4(first: u32, m: u32, n: u32, sum: vec4<f32>) {
  if ((m < CG) & (n < N * H * W)) { dx4[((n / (H * W) * C + first + m) * (H * W) + n % (H * W)) / 4u] = sum; }
}
