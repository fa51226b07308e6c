// y = w * x as a matrix product that never lays out its columns: A is w, OG channels x CG KH KW taps, B has one column
// per place of y and one row per tap, read from x in place. Goes with the tiles of matmul-quad.wgsl or matmul.wgsl,
// with conv2d-part.wgsl and with a file that says where places are and what becomes of the sums: conv2d-places.wgsl or
// conv-block-places.wgsl.
// x [N, C, H, W], w [O, CG, KH, KW]; group g has CG of the C and OG of the O channels.

override C: u32;
override H: u32;
override W: u32;
override CG: u32;
override OG: u32;
override KH: u32;
override KW: u32;
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
override TRANSPOSE_A: bool;  // false: taps lie side by side
override BY_PLACE: bool;     // taps go by channel first, which are a multiple of 4, so that four have their pixels in common
override TRANSPOSE_B: bool;  // false: so do places

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> w4: array<vec4<f32>>;

// num_workgroups.z is 1, which compilers do not know: loops over memory whose bounds depend on it are not unrolled,
// which would take CPU adapters seconds.
fn partOf(wg: vec3<u32>, groups: vec3<u32>) -> Part {
  let g = wg.y * groups.x + wg.x;
  let tile = g % (TILES_M * TILES_N);
  let z = g / (TILES_M * TILES_N);
  // Workgroups beyond the last get a tile below the last row, which writes nothing.
  let tileM = select(tile / TILES_N, TILES_M, z >= GROUPS);
  return Part(min(z, GROUPS - 1u), tileM, tile % TILES_N, 0u, CG * KH * KW * groups.z, z * OG, groups.z);
}

// Where channels m … m + 3 begin in w; those over the edge are the last one again.
fn aStart(z: u32, m: u32) -> vec4<u32> {
  return (z * OG + min(m + STEPS, vec4(OG - 1u))) * (CG * KH * KW);
}

// One channel per column, over taps k … k + 3; taps over the edge are zero.
fn aBlock(start: vec4<u32>, k: u32) -> mat4x4<f32> {
  let K = CG * KH * KW;
  if (BY_PLACE) {
    if (RAGGED & (k >= K)) { return mat4x4<f32>(); }
    let at = k % CG * (KH * KW) + k / CG + STEPS * (KH * KW);
    let all = vec4(true);
    return mat4x4(aColumn(start.x + at, all), aColumn(start.y + at, all),
                  aColumn(start.z + at, all), aColumn(start.w + at, all));
  }
  if (K % 4u == 0u) {
    let at = (start + k) / 4u;
    if (RAGGED & (k >= K)) { return mat4x4<f32>(); }
    return mat4x4(w4[at.x], w4[at.y], w4[at.z], w4[at.w]);
  }
  let taps = min(k + STEPS, vec4(K - 1u));
  let inside = k + STEPS < vec4(K);
  return mat4x4(aColumn(start.x + taps, inside), aColumn(start.y + taps, inside),
                aColumn(start.z + taps, inside), aColumn(start.w + taps, inside));
}

fn aColumn(at: vec4<u32>, inside: vec4<bool>) -> vec4<f32> {
  return select(vec4<f32>(), vec4(w[at.x], w[at.y], w[at.z], w[at.w]), inside);
}

// Channel, row and column of tap k.
fn tapOf(k: u32) -> vec3<u32> {
  if (BY_PLACE) {
    let r = k / CG;
    let row = r / KW;
    return vec3(k - r * CG, row, r - row * KW);
  }
  let line = k / KW;
  let c = line / KH;
  return vec3(c, line - c * KH, k - line * KW);
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
  if (BY_PLACE) { return Pair(first, vec3(first.x + 1u, first.yz)); }
  return Pair(first, tapOf(min(k + 1u, CG * KH * KW - 1u)));
}

fn aPair(start: vec4<u32>, p: Pair) -> mat2x4<f32> {
  let at = p.first.x * (KH * KW) + p.first.y * KW + p.first.z;
  var next = at + KH * KW;
  if (!BY_PLACE) { next = p.second.x * (KH * KW) + p.second.y * KW + p.second.z; }
  return mat2x4(aColumn(start + at, vec4(true)), aColumn(start + next, vec4(true)));
}

// Of four places of y: the image's first element in x, and the pixel under the kernel's first tap.
struct Columns {
  image: vec4<u32>,
  top: vec4<u32>,
  left: vec4<u32>,
}

fn bStart(z: u32, n: u32) -> Columns {
  let p = placesOf(n);
  return Columns((p.image * C + z * CG) * (H * W), p.row * strideY - padTop, p.column * strideX - padLeft);
}

// One tap per column, over four places; taps over the edge are zero.
fn bBlock(start: Columns, k: u32) -> mat4x4<f32> {
  if (RAGGED & (k >= CG * KH * KW)) { return mat4x4<f32>(); }
  if (BY_PLACE) {
    let at = pixelsAt(start, tapOf(k));
    return mat4x4(pixelsOf(at, 0u), pixelsOf(at, 1u), pixelsOf(at, 2u), pixelsOf(at, 3u));
  }
  return mat4x4(pixels(start, k), pixels(start, k + 1u), pixels(start, k + 2u), pixels(start, k + 3u));
}

fn pixels(start: Columns, k: u32) -> vec4<f32> {
  var p = pixelsAt(start, tapOf(min(k, CG * KH * KW - 1u)));
  if (RAGGED) { p.inside &= vec4(k < CG * KH * KW); }
  return pixelsOf(p, 0u);
}

struct Pixels {
  at: vec4<u32>,
  inside: vec4<bool>,
}

fn pixelsAt(start: Columns, tap: vec3<u32>) -> Pixels {
  // Above or left of the input the unsigned sum has wrapped round to something huge.
  let row = start.top + tap.y * dilationY;
  let column = start.left + tap.z * dilationX;
  return Pixels(start.image + (tap.x * H + row) * W + column, (row < vec4(H)) & (column < vec4(W)));
}

// Of the channel `further` than the one that they are for.
fn pixelsOf(p: Pixels, further: u32) -> vec4<f32> {
  let at = p.at + further * (H * W);
  return select(vec4<f32>(), vec4(x[at.x], x[at.y], x[at.z], x[at.w]), p.inside);
}

fn bPair(start: Columns, p: Pair) -> mat2x4<f32> {
  let first = pixelsAt(start, p.first);
  if (BY_PLACE) { return mat2x4(pixelsOf(first, 0u), pixelsOf(first, 1u)); }
  return mat2x4(pixelsOf(first, 0u), pixelsOf(pixelsAt(start, p.second), 0u));
}
