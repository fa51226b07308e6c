// Max and average pooling: windows of KH x KW elements, `dilation` pixels apart, with a stride from one window to the next.
// Needs special-functions.wgsl.
// x, dx [N, C, H, W]   y, dy, indices [N, C, OH, OW]   indices: row * W + column of the winner in its plane, -1 for none
// A gradient is gathered from the windows that can hold a pixel, so the order of additions is fixed.
// Entry points `…2x2`: windows of 2 x 2 that tile planes of even sides; two windows per invocation, but one in maxBackward2x2.

override N: u32;
override C: u32;
override H: u32;
override W: u32;
override OH: u32;
override OW: u32;
override KH: u32;
override KW: u32;
override strideY: u32;
override strideX: u32;
override padTop: u32;
override padLeft: u32;
override padBottom: u32;
override padRight: u32;
override dilationY: u32;
override dilationX: u32;
override includePad: bool;  // padding counts in the mean
override divisor: f32;      // replaces the size of the window, if not 0
override inside: bool;      // every window lies in the input
override CH: u32;           // cells of strideY x strideX pixels that cover the plane, for windows that don't overlap
override CW: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(0) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<storage, read_write> y2: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> indices: array<i32>;
@group(0) @binding(2) var<storage, read_write> indices2: array<vec2<i32>>;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(0) var<storage, read> dy2: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> winners: array<i32>;
@group(0) @binding(1) var<storage, read_write> dx: array<f32>;
@group(0) @binding(1) var<storage, read_write> dx2: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read_write> dx4: array<vec4<f32>>;

// Of a window that starts at `start`, the elements first … last - 1 lie on an axis of `size` pixels.
fn firstElement(start: i32, dilation: u32) -> u32 {
  return select((u32(max(-start, 0)) + dilation - 1u) / dilation, 0u, inside);
}

fn lastElement(start: i32, dilation: u32, size: u32, kernelSize: u32) -> u32 {
  return select(min((u32(max(i32(size) - start, 0)) + dilation - 1u) / dilation, kernelSize), kernelSize, inside);
}

// The windows first … last - 1 of an axis can hold the pixel that is `at` pixels from the edge of the padding.
fn firstWindow(at: u32, stride: u32, span: u32) -> u32 {
  return (max(at + stride, span) - span) / stride;
}

fn lastWindow(at: u32, stride: u32, windows: u32) -> u32 {
  return min(at / stride + 1u, windows);
}

// One invocation per window. The first of equal pixels wins; NaN beats every number, and the last NaN earlier ones.
@compute @workgroup_size(64)
fn maxForward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= N * C * OH * OW) { return; }
  let top = i32((i / OW) % OH * strideY) - i32(padTop);
  let left = i32(i % OW * strideX) - i32(padLeft);
  let plane = i / (OH * OW) * (H * W);
  let lastRow = lastElement(top, dilationY, H, KH);
  let firstCol = firstElement(left, dilationX);
  let lastCol = lastElement(left, dilationX, W, KW);
  var infinity = 0xff800000u;
  var best = bitcast<f32>(infinity);
  var winner = -1;
  for (var kh = firstElement(top, dilationY); kh < lastRow; kh++) {
    let row = (top + i32(kh * dilationY)) * i32(W) + left;
    for (var kw = firstCol; kw < lastCol; kw++) {
      let at = row + i32(kw * dilationX);
      let v = x[plane + u32(at)];
      let wins = winner < 0 || isNan(v) || (v > best && !isNan(best));
      best = select(best, v, wins);
      winner = select(winner, at, wins);
    }
  }
  y[i] = best;
  indices[i] = winner;
}

// 2 x 2: index of the upper vec2 of window i; rows have OW of these.
fn upperPair(i: u32) -> u32 {
  return i / OW * W + i % OW;
}

// 2 x 2: index of the upper vec4 of windows 2 i and 2 i + 1.
fn upperFour(i: u32) -> u32 {
  return i / (OW / 2u) * (W / 2u) + i % (OW / 2u);
}

struct Winner {
  value: f32,
  index: u32,
}

// The winner of a window of 2 x 2 whose first pixel has the index `first` in the plane.
fn winner2x2(top: vec2<f32>, low: vec2<f32>, first: u32) -> Winner {
  let right = ((top.y > top.x) & !isNan(top.x)) | isNan(top.y);
  let best = select(top.x, top.y, right);
  let down = ((low.x > best) & !isNan(best)) | isNan(low.x);
  let better = select(best, low.x, down);
  let across = ((low.y > better) & !isNan(better)) | isNan(low.y);
  let offset = select(select(select(0u, 1u, right), W, down), W + 1u, across);
  return Winner(select(better, low.y, across), first + offset);
}

@compute @workgroup_size(64)
fn maxForward2x2(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= N * C * OH * (OW / 2u)) { return; }
  let four = upperFour(i);
  let top = x4[four];
  let low = x4[four + W / 4u];
  let first = 4u * (four % (H * (W / 4u)));
  let left = winner2x2(top.xy, low.xy, first);
  let right = winner2x2(top.zw, low.zw, first + 2u);
  y2[i] = vec2(left.value, right.value);
  indices2[i] = vec2(i32(left.index), i32(right.index));
}

@compute @workgroup_size(64)
fn maxBackward2x2(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= N * C * OH * OW) { return; }
  let pair = upperPair(i);
  let d = dy[i];
  let at = winners[i] - i32(2u * (pair % (H * OW)));
  dx2[pair] = vec2(select(0.0, d, at == 0), select(0.0, d, at == 1));
  dx2[pair + OW] = vec2(select(0.0, d, at == i32(W)), select(0.0, d, at == i32(W) + 1));
}

// One invocation per pixel of dx, for windows that may overlap.
@compute @workgroup_size(64)
fn maxBackward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= N * C * H * W) { return; }
  let at = i % (H * W);
  let fromTop = at / W + padTop;
  let fromLeft = at % W + padLeft;
  let plane = i / (H * W) * (OH * OW);
  let lastRow = lastWindow(fromTop, strideY, OH);
  let firstCol = firstWindow(fromLeft, strideX, (KW - 1u) * dilationX + 1u);
  let lastCol = lastWindow(fromLeft, strideX, OW);
  var sum = 0.0;
  for (var oh = firstWindow(fromTop, strideY, (KH - 1u) * dilationY + 1u); oh < lastRow; oh++) {
    for (var ow = firstCol; ow < lastCol; ow++) {
      let o = plane + oh * OW + ow;
      sum += select(0.0, dy[o], winners[o] == i32(at));
    }
  }
  dx[i] = sum;
}

// One invocation per cell of strideY x strideX pixels, for windows that don't overlap: each cell holds at most one window.
@compute @workgroup_size(64)
fn maxBackwardCells(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= N * C * CH * CW) { return; }
  let ow = i % CW;
  let oh = (i / CW) % CH;
  let plane = i / (CH * CW);
  let o = (plane * OH + min(oh, OH - 1u)) * OW + min(ow, OW - 1u);
  let winner = select(-1, winners[o], oh < OH && ow < OW);
  let d = dy[o];
  let rows = min((oh + 1u) * strideY, H + padTop);
  let cols = min((ow + 1u) * strideX, W + padLeft);
  for (var r = max(oh * strideY, padTop); r < rows; r++) {
    for (var c = max(ow * strideX, padLeft); c < cols; c++) {
      let at = (r - padTop) * W + c - padLeft;
      dx[plane * (H * W) + at] = select(0.0, d, winner == i32(at));
    }
  }
}

// y[i] = x at the winner of window i: the derivative of max pooling along x, which is the gradient of its gradient.
@compute @workgroup_size(64)
fn maxPick(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= N * C * OH * OW) { return; }
  let winner = winners[i];
  y[i] = select(0.0, x[i / (OH * OW) * (H * W) + u32(max(winner, 0))], winner >= 0);
}

fn windowSize(oh: u32, ow: u32) -> f32 {
  if (divisor != 0.0) { return divisor; }
  let top = i32(oh * strideY) - i32(padTop);
  let left = i32(ow * strideX) - i32(padLeft);
  if (includePad) {
    return f32(min(i32(KH), i32(H + padBottom) - top) * min(i32(KW), i32(W + padRight) - left));
  }
  let rows = lastElement(top, 1u, H, KH) - firstElement(top, 1u);
  let cols = lastElement(left, 1u, W, KW) - firstElement(left, 1u);
  return f32(rows * cols);
}

// One invocation per window.
@compute @workgroup_size(64)
fn avgForward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= N * C * OH * OW) { return; }
  let oh = (i / OW) % OH;
  let ow = i % OW;
  let top = i32(oh * strideY) - i32(padTop);
  let left = i32(ow * strideX) - i32(padLeft);
  let plane = i / (OH * OW) * (H * W);
  let lastRow = lastElement(top, 1u, H, KH);
  let firstCol = firstElement(left, 1u);
  let lastCol = lastElement(left, 1u, W, KW);
  var before = 0.0;
  var sum = 0.0;
  for (var kh = firstElement(top, 1u); kh < lastRow; kh++) {
    let row = plane + u32(top + i32(kh)) * W;
    for (var kw = firstCol; kw < lastCol; kw++) { sum += x[row + u32(left + i32(kw))]; }
    // Large windows are added row by row: one long chain of additions would lose precision.
    if (KH * KW > 128u) {
      before += sum;
      sum = 0.0;
    }
  }
  y[i] = (before + sum) / windowSize(oh, ow);
}

// One invocation per pixel of dx.
@compute @workgroup_size(64)
fn avgBackward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= N * C * H * W) { return; }
  let fromTop = (i / W) % H + padTop;
  let fromLeft = i % W + padLeft;
  let plane = i / (H * W) * (OH * OW);
  let lastRow = lastWindow(fromTop, strideY, OH);
  let firstCol = firstWindow(fromLeft, strideX, KW);
  let lastCol = lastWindow(fromLeft, strideX, OW);
  var sum = 0.0;
  for (var oh = firstWindow(fromTop, strideY, KH); oh < lastRow; oh++) {
    for (var ow = firstCol; ow < lastCol; ow++) { sum += dy[plane + oh * OW + ow] / windowSize(oh, ow); }
  }
  dx[i] = sum;
}

fn mean2x2(top: vec2<f32>, low: vec2<f32>) -> f32 {
  return (((top.x + top.y) + low.x) + low.y) / divisor2x2();
}

fn divisor2x2() -> f32 {
  return select(divisor, 4.0, divisor == 0.0);
}

@compute @workgroup_size(64)
fn avgForward2x2(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= N * C * OH * (OW / 2u)) { return; }
  let four = upperFour(i);
  let top = x4[four];
  let low = x4[four + W / 4u];
  y2[i] = vec2(mean2x2(top.xy, low.xy), mean2x2(top.zw, low.zw));
}

@compute @workgroup_size(64)
fn avgBackward2x2(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= N * C * OH * (OW / 2u)) { return; }
  let four = upperFour(i);
  let share = (dy2[i] / divisor2x2()).xxyy;
  dx4[four] = share;
  dx4[four + W / 4u] = share;
}
