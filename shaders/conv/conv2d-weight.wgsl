// dw = dy * x^T as a matrix product that never lays out its columns: A has a row per channel of y and a k per place of
// y, B, read from x in place, a row per place and a column per tap (c, ky, kx), and one more of ones for the bias. Goes
// with the tiles of matmul-quad.wgsl or matmul.wgsl, with conv2d-part.wgsl and with a file that says where places and
// gradients are: conv2d-gradients.wgsl or conv-block-gradients.wgsl.
// x [N, C, H, W], w [O, CG, KH, KW]. The sum over places is cut into PARTS parts of CHUNK: conv2d-weight-parts.wgsl
// stores them, or conv2d-weight-whole.wgsl where there is but one.

override C: u32;
override H: u32;
override W: u32;
override O: u32;
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
override PARTS: u32;
override CHUNK: u32;
override PLACES: u32;
override ROWS: u32;     // of the places of an image
override COLUMNS: u32;
override TILES_M: u32;
override TILES_N: u32;
override TRANSPOSE_A: bool;  // false: places lie side by side
override TRANSPOSE_B: bool;  // true: here too

@group(0) @binding(0) var<storage, read> x: array<f32>;

// num_workgroups.z is 1, which compilers do not know: loops over memory whose bounds depend on it are not unrolled,
// which would take CPU adapters seconds.
fn partOf(wg: vec3<u32>, groups: vec3<u32>) -> Part {
  let g = wg.y * groups.x + wg.x;
  let tile = g % (TILES_M * TILES_N);
  let zs = g / (TILES_M * TILES_N);
  let z = zs % GROUPS;
  let part = zs / GROUPS;
  // Workgroups beyond the last get a tile below the last row, which writes nothing.
  let tileM = select(tile / TILES_N, TILES_M, part >= PARTS);
  let first = part * CHUNK;
  return Part(z, tileM, tile % TILES_N, first, min(first + CHUNK, PLACES) * groups.z,
              part * (O * CG * KH * KW + O) + z * OG, groups.z);
}

// Of four taps: the channel's first element in an image, row and column of the tap less the padding.
struct Columns {
  channel: vec4<u32>,
  row: vec4<u32>,
  column: vec4<u32>,
  ones: vec4<bool>,
}

fn bStart(z: u32, n: u32) -> Columns {
  let tap = min(n + STEPS, vec4(CG * KH * KW - 1u));
  let r = tap % (KH * KW);
  return Columns((z * CG + tap / (KH * KW)) * (H * W), r / KW * dilationY - padTop, r % KW * dilationX - padLeft,
                 n + STEPS == vec4(CG * KH * KW));
}

// One place per column, over four taps; places over the edge are zero, which is said only where a step can lead there.
fn bBlock(start: Columns, k: u32) -> mat4x4<f32> {
  let p = placesOf(k);
  let block =
    mat4x4(pixels(start, p.image.x, p.row.x, p.column.x), pixels(start, p.image.y, p.row.y, p.column.y),
           pixels(start, p.image.z, p.row.z, p.column.z), pixels(start, p.image.w, p.row.w, p.column.w));
  if (PLACES % 32u == 0u) { return block; }
  let inside = k + STEPS < vec4(PLACES);
  let zero = vec4<f32>();
  return mat4x4(select(zero, block[0], inside.x), select(zero, block[1], inside.y),
                select(zero, block[2], inside.z), select(zero, block[3], inside.w));
}

// Image, row and column.
fn placeOf(p: u32) -> vec3<u32> {
  return vec3(p / (ROWS * COLUMNS), p / COLUMNS % ROWS, p % COLUMNS);
}

// Places are counted on where rows are even: dividing takes longer.
alias Counter = Pair;

fn counterFrom(k: u32) -> Counter {
  return Pair(placeOf(k), placeOf(min(k + 1u, PLACES - 1u)));
}

fn counterAfter(before: Counter, k: u32) -> Counter {
  if (COLUMNS % 2u != 0u) { return counterFrom(k); }
  let column = before.first.z + 2u;
  let row = before.first.y + select(0u, 1u, column == COLUMNS);
  let image = before.first.x + select(0u, 1u, row == ROWS);
  let p = vec3(image, select(row, 0u, row == ROWS), select(column, 0u, column == COLUMNS));
  return Pair(p, vec3(p.xy, p.z + 1u));
}

fn pairOf(counter: Counter, k: u32) -> Pair {
  return counter;
}

fn bPair(start: Columns, p: Pair) -> mat2x4<f32> {
  if (COLUMNS % 2u != 0u) {
    return mat2x4(pixels(start, p.first.x, p.first.y, p.first.z), pixels(start, p.second.x, p.second.y, p.second.z));
  }
  let row = start.row + p.first.y * strideY;
  let line = p.first.x * (C * H * W) + start.channel + row * W;
  return mat2x4(pixelsOf(start, line, row, start.column + p.first.z * strideX),
                pixelsOf(start, line, row, start.column + p.second.z * strideX));
}

fn pixels(start: Columns, image: u32, outRow: u32, outColumn: u32) -> vec4<f32> {
  let row = start.row + outRow * strideY;
  return pixelsOf(start, image * (C * H * W) + start.channel + row * W, row, start.column + outColumn * strideX);
}

// In lines that begin at `line`. Above or left of the input the unsigned row and column have wrapped round to something
// huge.
fn pixelsOf(start: Columns, line: vec4<u32>, row: vec4<u32>, column: vec4<u32>) -> vec4<f32> {
  let at = line + column;
  let v = select(vec4<f32>(), vec4(x[at.x], x[at.y], x[at.z], x[at.w]), (row < vec4(H)) & (column < vec4(W)));
  return select(v, vec4(1.0), start.ones);
}

fn putRow(first: u32, m: u32, n: u32, sum: vec4<f32>) {
  put(first, m, n, sum.x);
  put(first, m, n + 1u, sum.y);
  put(first, m, n + 2u, sum.z);
  put(first, m, n + 3u, sum.w);
}

fn putRow4(first: u32, m: u32, n: u32, sum: vec4<f32>) {
  putRow(first, m, n, sum);
}
