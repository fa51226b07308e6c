// FRAGMENT: operand B and result, see gemm-fragment.wgsl and conv-fragment.wgsl. The weight gradient dw = dy * im2col(x)^T as a
// product whose K are output positions: A is dy, one row per channel; B, an im2col view of x, has one column per kernel
// element (channel, row, column), and one more of ones, which gives the bias gradient.
// x [N, C, H, W], dw [O, CG, KH, KW], db [O]. Of PARTS > 1 parts of the sum, dw is [PARTS, O CG KH KW + O], weights and then
// biases of each, which reduce-weight-parts.wgsl adds.
// Needs operand A and the order of output positions: conv-weight-rows-fragment.wgsl or conv-block-weight-rows-fragment.wgsl.

override ROWS: u32;     // of output positions in an image
override COLUMNS: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> dw: array<f32>;
@group(0) @binding(5) var<storage, read_write> db: array<f32>;

// Of four kernel elements: the channel's first pixel in an image, and row and column in the kernel less the padding.
struct Columns {
  channel: vec4<u32>,
  row: vec4<u32>,
  column: vec4<u32>,
  ones: vec4<bool>,
}

fn columnsOf(z: u32, n: u32) -> Columns {
  let element = min(n + STEPS, vec4(CG * KH * KW - 1u));
  let r = element % (KH * KW);
  return Columns((z * CG + element / (KH * KW)) * (H * W), r / KW * dilationY - padTop, r % KW * dilationX - padLeft,
                 n + STEPS == vec4(CG * KH * KW));
}

fn bBlock(z: u32, columns: Columns, k: u32) -> mat4x4<f32> {
  let p = positionsOf(k);
  let block = mat4x4(pixels(columns, p.image.x, p.row.x, p.column.x), pixels(columns, p.image.y, p.row.y, p.column.y),
                     pixels(columns, p.image.z, p.row.z, p.column.z), pixels(columns, p.image.w, p.row.w, p.column.w));
  if (!K_TAIL) { return block; }
  let inside = k + STEPS < vec4(DEPTH);
  let zero = vec4<f32>();
  return mat4x4(select(zero, block[0], inside.x), select(zero, block[1], inside.y),
                select(zero, block[2], inside.z), select(zero, block[3], inside.w));
}

// Image, row and column of two output positions; they are counted on where rows are even: dividing takes longer.
struct Steps {
  first: vec3<u32>,
  second: vec3<u32>,
}
alias Counter = Steps;

fn positionOf(k: u32) -> vec3<u32> {
  return vec3(k / (ROWS * COLUMNS), k / COLUMNS % ROWS, k % COLUMNS);
}

fn counterFrom(k: u32) -> Counter {
  return Steps(positionOf(k), positionOf(min(k + 1u, DEPTH - 1u)));
}

fn counterAfter(counter: Counter, k: u32) -> Counter {
  if (COLUMNS % 2u != 0u) { return counterFrom(k); }
  let column = counter.first.z + 2u;
  let row = counter.first.y + select(0u, 1u, column == COLUMNS);
  let image = counter.first.x + select(0u, 1u, row == ROWS);
  let p = vec3(image, select(row, 0u, row == ROWS), select(column, 0u, column == COLUMNS));
  return Steps(p, vec3(p.xy, p.z + 1u));
}

fn stepsOf(counter: Counter, k: u32) -> Steps {
  return counter;
}

fn bPair(z: u32, columns: Columns, s: Steps) -> mat2x4<f32> {
  if (COLUMNS % 2u != 0u) {
    return mat2x4(pixels(columns, s.first.x, s.first.y, s.first.z), pixels(columns, s.second.x, s.second.y, s.second.z));
  }
  let row = columns.row + s.first.y * strideY;
  let start = s.first.x * (C * H * W) + columns.channel + row * W;
  return mat2x4(pixelsInRow(columns, start, row, columns.column + s.first.z * strideX),
                pixelsInRow(columns, start, row, columns.column + s.second.z * strideX));
}

// What the kernel elements see from an output position.
fn pixels(columns: Columns, image: u32, outRow: u32, outColumn: u32) -> vec4<f32> {
  let row = columns.row + outRow * strideY;
  let start = image * (C * H * W) + columns.channel + row * W;
  return pixelsInRow(columns, start, row, columns.column + outColumn * strideX);
}

// Rows of x begin at `start`. Above or left of x unsigned rows and columns have wrapped round to something huge.
fn pixelsInRow(columns: Columns, start: vec4<u32>, row: vec4<u32>, column: vec4<u32>) -> vec4<f32> {
  let at = start + column;
  let v = select(vec4<f32>(), vec4(x[at.x], x[at.y], x[at.z], x[at.w]), (row < vec4(H)) & (column < vec4(W)));
  return select(v, vec4(1.0), columns.ones);
}

fn store(first: Destination, m: u32, n: u32, sums: vec4<f32>) {
  let K = CG * KH * KW;
  if (m >= OG) { return; }
  let start = first - first % (O * K + O);  // of the part
  let channel = first - start + m;
  var v = sums;
  for (var element = n; element < min(n + 4u, K + 1u); element++) {
    if ((PARTS == 1u) & (element == K)) {
      db[channel] = v.x;
    } else {
      dw[start + select(channel * K + element, O * K + channel, element == K)] = v.x;
    }
    v = v.yzww;
  }
}
