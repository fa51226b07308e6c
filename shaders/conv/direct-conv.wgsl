// Direct convolution, one output per invocation: for groups too small for tiles.
// y[n, o, oy, ox] = b[o] + sum over c, ky, kx of w[o, c, ky, kx] * x[n, g CG + c, iy, ix],
// iy = oy strideY - padTop + ky dilationY, ix likewise.
// b [O]; the other shapes are in conv-sizes-fragment.wgsl, which this needs.

override BIAS: bool;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * num.x + wg.x) * 64u + lane;
  if (i >= N * O * OH * OW) { return; }
  let ox = i % OW;
  let oy = (i / OW) % OH;
  let o = (i / (OW * OH)) % O;
  let n = i / (OW * OH * O);
  var sum = 0.0;
  for (var c = 0u; c < CG; c++) {
    let plane = (n * C + (o / OG) * CG + c) * H;
    for (var ky = 0u; ky < KH; ky++) {
      // Above the input the unsigned difference wraps round to something huge.
      let iy = oy * strideY + ky * dilationY - padTop;
      if (iy >= H) { continue; }
      for (var kx = 0u; kx < KW; kx++) {
        let ix = ox * strideX + kx * dilationX - padLeft;
        if (ix < W) { sum += w[((o * CG + c) * KH + ky) * KW + kx] * x[(plane + iy) * W + ix]; }
      }
    }
  }
  if (BIAS) { sum += b[o]; }
  y[i] = sum;
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn backwardInput(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * num.x + wg.x) * 64u + lane;
  if (i >= N * C * H * W) { return; }
  let ix = i % W;
  let iy = (i / W) % H;
  let c = (i / (W * H)) % C;
  let n = i / (W * H * C);
  let first = (c / CG) * OG;
  var sum = 0.0;
  for (var o = first; o < first + OG; o++) {
    for (var ky = 0u; ky < KH; ky++) {
      let sy = iy + padTop - ky * dilationY;
      let oy = sy / strideY;
      if (oy >= OH || oy * strideY != sy) { continue; }
      for (var kx = 0u; kx < KW; kx++) {
        let sx = ix + padLeft - kx * dilationX;
        let ox = sx / strideX;
        if (ox >= OW || ox * strideX != sx) { continue; }
        sum += w[((o * CG + c % CG) * KH + ky) * KW + kx] * dy[((n * O + o) * OH + oy) * OW + ox];
      }
    }
  }
  dx[i] = sum;
}

@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;

// One invocation per weight or bias and part: partial [PARTS, O CG KH KW + O].
@compute @workgroup_size(64)
fn backwardWeight(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * num.x + wg.x) * 64u + lane;
  let weights = O * CG * KH * KW;
  let count = weights + O;
  if (i >= count * PARTS) { return; }
  let k = i % count;
  let part = i / count;
  let bias = k >= weights;
  let o = select(k / (CG * KH * KW), k - weights, bias);
  let c = (k / (KH * KW)) % CG;
  let ky = (k / KW) % KH;
  let kx = k % KW;
  var sum = 0.0;
  for (var n = part * CHUNK; n < min(part * CHUNK + CHUNK, N); n++) {
    for (var oy = 0u; oy < OH; oy++) {
      let iy = oy * strideY + ky * dilationY - padTop;
      for (var ox = 0u; ox < OW; ox++) {
        let d = g[((n * O + o) * OH + oy) * OW + ox];
        let ix = ox * strideX + kx * dilationX - padLeft;
        if (bias) {
          sum += d;
        } else if (iy < H && ix < W) {
          sum += d * x[((n * C + (o / OG) * CG + c) * H + iy) * W + ix];
        }
      }
    }
  }
  partial[i] = sum;
}
