// conv2d + bias + relu + max-pool over windows PKH x PKW that neither overlap nor are padded; one group of channels.
// x [N, C, H, W], w [O, C, KH, KW], b [O], y and code [N, O, PH, PW]. code: row * PKW + column of the window's first
// maximum, NONE where relu is inactive and so nothing flows back. Gradients work at pooled resolution.

override N: u32;
override C: u32;
override H: u32;
override W: u32;
override O: u32;
override KH: u32;
override KW: u32;
override PH: u32;
override PW: u32;
override PKH: u32;
override PKW: u32;
override strideY: u32;
override strideX: u32;
override padTop: u32;
override padLeft: u32;
override dilationY: u32;
override dilationX: u32;
override BIAS: bool;
override PARTS: u32;  // the sum over images of the weight gradient is cut into PARTS parts of CHUNK images
override CHUNK: u32;

const NONE = 0xffffffffu;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> code: array<u32>;

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * num.x + wg.x) * 64u + lane;
  if (i >= N * O * PH * PW) { return; }
  let px = i % PW;
  let py = (i / PW) % PH;
  let o = (i / (PW * PH)) % O;
  let n = i / (PW * PH * O);
  var bias = 0.0;
  if (BIAS) { bias = b[o]; }
  var best = 0.0;
  var winner = NONE;
  for (var k = 0u; k < PKH * PKW; k++) {
    let top = (py * PKH + k / PKW) * strideY;
    let left = (px * PKW + k % PKW) * strideX;
    var sum = 0.0;
    for (var c = 0u; c < C; c++) {
      for (var ky = 0u; ky < KH; ky++) {
        // Above the input the unsigned difference wraps round to something huge.
        let iy = top + ky * dilationY - padTop;
        if (iy >= H) { continue; }
        for (var kx = 0u; kx < KW; kx++) {
          let ix = left + kx * dilationX - padLeft;
          if (ix < W) { sum += w[((o * C + c) * KH + ky) * KW + kx] * x[((n * C + c) * H + iy) * W + ix]; }
        }
      }
    }
    sum += bias;
    if (sum > best) {
      best = sum;
      winner = k;
    } else if (sum != sum) {
      best = sum;
      winner = NONE;
    }
  }
  y[i] = best;
  code[i] = winner;
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> codes: array<u32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn backwardInput(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * num.x + wg.x) * 64u + lane;
  if (i >= N * C * H * W) { return; }
  let ix = i % W;
  let iy = (i / W) % H;
  let c = (i / (W * H)) % C;
  let n = i / (W * H * C);
  var sum = 0.0;
  for (var ky = 0u; ky < KH; ky++) {
    let sy = iy + padTop - ky * dilationY;
    let oy = sy / strideY;
    if (oy >= PH * PKH || oy * strideY != sy) { continue; }
    for (var kx = 0u; kx < KW; kx++) {
      let sx = ix + padLeft - kx * dilationX;
      let ox = sx / strideX;
      if (ox >= PW * PKW || ox * strideX != sx) { continue; }
      let here = (oy % PKH) * PKW + ox % PKW;
      for (var o = 0u; o < O; o++) {
        let p = ((n * O + o) * PH + oy / PKH) * PW + ox / PKW;
        if (codes[p] == here) { sum += w[((o * C + c) * KH + ky) * KW + kx] * dy[p]; }
      }
    }
  }
  dx[i] = sum;
}

@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;

// One invocation per weight or bias and part: partial [PARTS, O C KH KW + O].
@compute @workgroup_size(64)
fn backwardWeight(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * num.x + wg.x) * 64u + lane;
  let weights = O * C * KH * KW;
  let count = weights + O;
  if (i >= count * PARTS) { return; }
  let k = i % count;
  let part = i / count;
  let bias = k >= weights;
  let o = select(k / (C * KH * KW), k - weights, bias);
  let c = (k / (KH * KW)) % C;
  let ky = (k / KW) % KH;
  let kx = k % KW;
  var sum = 0.0;
  for (var n = part * CHUNK; n < min(part * CHUNK + CHUNK, N); n++) {
    for (var p = 0u; p < PH * PW; p++) {
      let at = (n * O + o) * PH * PW + p;
      let winner = codes[at];
      if (winner == NONE) { continue; }
      let iy = ((p / PW) * PKH + winner / PKW) * strideY + ky * dilationY - padTop;
      let ix = ((p % PW) * PKW + winner % PKW) * strideX + kx * dilationX - padLeft;
      if (bias) {
        sum += g[at];
      } else if (iy < H && ix < W) {
        sum += g[at] * x[((n * C + c) * H + iy) * W + ix];
      }
    }
  }
  partial[i] = sum;
}
