// Max and average pooling of planes: windows of KH x KW taps, dilation apart, a stride from one window to the next.
// x, dx [N, C, H, W]   y, dy, indices [N, C, OH, OW]   indices: row * W + col of the winner in its plane, -1 for none
// Gradients are gathered over the windows that can hold a pixel, so nothing is added up in a random order.

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
override divisor: f32;      // what sums are divided by instead of the window's size, if not 0
override inside: bool;      // every tap of every window lies in the input
override CH: u32;           // cells of strideY x strideX pixels that cover the plane, for windows that don't overlap
override CW: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(0) var<storage, read> x2: array<vec2<f32>>;
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

// Taps first..last-1 of a window that starts at `start` lie on an axis of `size` pixels.
fn firstTap(start: i32, dilation: u32) -> u32 {
  return select((u32(max(-start, 0)) + dilation - 1u) / dilation, 0u, inside);
}

fn lastTap(start: i32, dilation: u32, size: u32, taps: u32) -> u32 {
  return select(min((u32(max(i32(size) - start, 0)) + dilation - 1u) / dilation, taps), taps, inside);
}

// Windows first..last-1 of an axis can hold the pixel that is `at` pixels from the edge of the padding.
fn firstWindow(at: u32, stride: u32, span: u32) -> u32 {
  return (max(at + stride, span) - span) / stride;
}

fn lastWindow(at: u32, stride: u32, windows: u32) -> u32 {
  return min(at / stride + 1u, windows);
}

// One invocation per window. Ties go to the first tap; NaN beats everything, the last NaN the earlier ones.
@compute @workgroup_size(64)
fn maxForward(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= N * C * OH * OW) { return; }
  let top = i32((i / OW) % OH * strideY) - i32(padTop);
  let left = i32(i % OW * strideX) - i32(padLeft);
  let plane = i / (OH * OW) * (H * W);
  let lastRow = lastTap(top, dilationY, H, KH);
  let firstCol = firstTap(left, dilationX);
  let lastCol = lastTap(left, dilationX, W, KW);
  var infinity = 0xff800000u;
  var best = bitcast<f32>(infinity);
  var winner = -1;
  for (var kh = firstTap(top, dilationY); kh < lastRow; kh++) {
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

// For windows of 2 x 2 side by side in planes of even sides, rows of OW pairs: the upper pair of window i.
fn quadPair(i: u32) -> u32 {
  return i / OW * W + i % OW;
}

// For two such windows at a time, where rows are whole vec4: the upper four of windows 2 i and 2 i + 1.
fn quadFour(i: u32) -> u32 {
  return i / (OW / 2u) * (W / 2u) + i % (OW / 2u);
}

struct Winner {
  value: f32,
  place: u32,
}

// The winner among a window's upper and lower pair, the first of which is at place `first` of the plane.
fn quadWinner(top: vec2<f32>, low: vec2<f32>, first: u32) -> Winner {
  let right = ((top.y > top.x) & !isNan(top.x)) | isNan(top.y);
  let best = select(top.x, top.y, right);
  let down = ((low.x > best) & !isNan(best)) | isNan(low.x);
  let better = select(best, low.x, down);
  let across = ((low.y > better) & !isNan(better)) | isNan(low.y);
  let place = select(select(select(0u, 1u, right), W, down), W + 1u, across);
  return Winner(select(better, low.y, across), first + place);
}

@compute @workgroup_size(64)
fn maxForwardQuads(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= N * C * OH * OW) { return; }
  let pair = quadPair(i);
  let winner = quadWinner(x2[pair], x2[pair + OW], 2u * (pair % (H * OW)));
  y[i] = winner.value;
  indices[i] = i32(winner.place);
}

// Two windows per invocation.
@compute @workgroup_size(64)
fn maxForwardPairs(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= N * C * OH * (OW / 2u)) { return; }
  let four = quadFour(i);
  let top = x4[four];
  let low = x4[four + W / 4u];
  let first = 4u * (four % (H * (W / 4u)));
  let left = quadWinner(top.xy, low.xy, first);
  let right = quadWinner(top.zw, low.zw, first + 2u);
  y2[i] = vec2(left.value, right.value);
  indices2[i] = vec2(i32(left.place), i32(right.place));
}

@compute @workgroup_size(64)
fn maxBackwardQuads(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                    @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= N * C * OH * OW) { return; }
  let pair = quadPair(i);
  let d = dy[i];
  let at = winners[i] - i32(2u * (pair % (H * OW)));
  dx2[pair] = vec2(select(0.0, d, at == 0), select(0.0, d, at == 1));
  dx2[pair + OW] = vec2(select(0.0, d, at == i32(W)), select(0.0, d, at == i32(W) + 1));
}

// One invocation per pixel of dx, for windows that may overlap.
@compute @workgroup_size(64)
fn maxBackward(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
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

// One invocation per cell of strideY x strideX pixels, for windows that don't overlap: each cell holds one at most.
@compute @workgroup_size(64)
fn maxBackwardCells(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                    @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
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

// y[i] = x at the winner of window i: what max pooling does to a change of its input, and the gradient of its gradient.
@compute @workgroup_size(64)
fn maxPick(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
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
  let rows = lastTap(top, 1u, H, KH) - firstTap(top, 1u);
  let cols = lastTap(left, 1u, W, KW) - firstTap(left, 1u);
  return f32(rows * cols);
}

// One invocation per window.
@compute @workgroup_size(64)
fn avgForward(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= N * C * OH * OW) { return; }
  let oh = (i / OW) % OH;
  let ow = i % OW;
  let top = i32(oh * strideY) - i32(padTop);
  let left = i32(ow * strideX) - i32(padLeft);
  let plane = i / (OH * OW) * (H * W);
  let lastRow = lastTap(top, 1u, H, KH);
  let firstCol = firstTap(left, 1u);
  let lastCol = lastTap(left, 1u, W, KW);
  var before = 0.0;
  var sum = 0.0;
  for (var kh = firstTap(top, 1u); kh < lastRow; kh++) {
    let row = plane + u32(top + i32(kh)) * W;
    for (var kw = firstCol; kw < lastCol; kw++) { sum += x[row + u32(left + i32(kw))]; }
    // Row by row in large windows, so that no chain of roundings is long.
    if (KH * KW > 128u) {
      before += sum;
      sum = 0.0;
    }
  }
  y[i] = (before + sum) / windowSize(oh, ow);
}

// One invocation per pixel of dx.
@compute @workgroup_size(64)
fn avgBackward(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
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

// Windows of 2 x 2 side by side in planes of even sides, as in max pooling: one per invocation, or two.
fn quadMean(top: vec2<f32>, low: vec2<f32>) -> f32 {
  return (((top.x + top.y) + low.x) + low.y) / quadSize();
}

fn quadSize() -> f32 {
  return select(divisor, 4.0, divisor == 0.0);
}

@compute @workgroup_size(64)
fn avgForwardQuads(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= N * C * OH * OW) { return; }
  let pair = quadPair(i);
  y[i] = quadMean(x2[pair], x2[pair + OW]);
}

@compute @workgroup_size(64)
fn avgForwardPairs(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= N * C * OH * (OW / 2u)) { return; }
  let four = quadFour(i);
  let top = x4[four];
  let low = x4[four + W / 4u];
  y2[i] = vec2(quadMean(top.xy, low.xy), quadMean(top.zw, low.zw));
}

@compute @workgroup_size(64)
fn avgBackwardQuads(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                    @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= N * C * OH * OW) { return; }
  let pair = quadPair(i);
  let share = vec2(dy[i] / quadSize());
  dx2[pair] = share;
  dx2[pair + OW] = share;
}

@compute @workgroup_size(64)
fn avgBackwardPairs(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                    @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= N * C * OH * (OW / 2u)) { return; }
  let four = quadFour(i);
  let share = (dy2[i] / quadSize()).xxyy;
  dx4[four] = share;
  dx4[four + W / 4u] = share;
}
