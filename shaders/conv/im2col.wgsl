// What a convolution as matrix products with an explicit matrix of columns has beside the products of the GEMM family.
// col [N, C, KH, KW, OH, OW]: for each group of an image a matrix K x P, K = CG KH KW, P = OH OW. w is OG x K per group.
//   forward         y[n, g]   = w[g] col[n, g]          (OG x P)
//   input gradient  col[n, g] = w[g]^T dy[n, g]         (K x P), then col2im adds what belongs to each pixel
//   weight gradient dw[g]     = sum over n, p of dy[n, g] col[n, g]^T   (OG x K), here with db
// Needs conv-sizes-fragment.wgsl.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> col: array<f32>;

@compute @workgroup_size(64)
fn im2col(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * num.x + wg.x) * 64u + lane;
  if (i >= N * C * KH * KW * OH * OW) { return; }
  let ox = i % OW;
  let oy = (i / OW) % OH;
  let kx = (i / (OW * OH)) % KW;
  let ky = (i / (OW * OH * KW)) % KH;
  let plane = i / (OW * OH * KW * KH);
  // Above or left of the input the unsigned difference wraps round to something huge.
  let iy = oy * strideY + ky * dilationY - padTop;
  let ix = ox * strideX + kx * dilationX - padLeft;
  var v = 0.0;
  if (iy < H && ix < W) { v = x[(plane * H + iy) * W + ix]; }
  col[i] = v;
}

@group(0) @binding(0) var<storage, read> columns: array<f32>;
@group(0) @binding(1) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn col2im(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * num.x + wg.x) * 64u + lane;
  if (i >= N * C * H * W) { return; }
  let ix = i % W;
  let iy = (i / W) % H;
  let plane = i / (W * H);
  var sum = 0.0;
  for (var ky = 0u; ky < KH; ky++) {
    let sy = iy + padTop - ky * dilationY;
    let oy = sy / strideY;
    if (oy >= OH || oy * strideY != sy) { continue; }
    for (var kx = 0u; kx < KW; kx++) {
      let sx = ix + padLeft - kx * dilationX;
      let ox = sx / strideX;
      if (ox >= OW || ox * strideX != sx) { continue; }
      sum += columns[(((plane * KH + ky) * KW + kx) * OH + oy) * OW + ox];
    }
  }
  dx[i] = sum;
}

const TM = 4u;  // rows and columns of the product that one invocation computes
const TN = 4u;

@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;

// partial [PARTS, O K + O]: weights, then biases, of each part of the images.
@compute @workgroup_size(8, 8)
fn backwardWeight(@builtin(global_invocation_id) id: vec3<u32>) {
  let K = CG * KH * KW;
  let P = OH * OW;
  let k = id.x * TN;
  let o = id.y * TM;
  if (k >= K || o >= OG) { return; }
  let group = id.z / PARTS;
  let part = id.z % PARTS;
  var sum: array<array<f32, TN>, TM>;
  var biases: array<f32, TM>;
  for (var n = part * CHUNK; n < min(part * CHUNK + CHUNK, N); n++) {
    for (var p = 0u; p < P; p++) {
      var v: array<f32, TN>;
      for (var j = 0u; j < TN; j++) {
        v[j] = columns[(n * C * KH * KW + group * K + min(k + j, K - 1u)) * P + p];
      }
      for (var i = 0u; i < TM; i++) {
        let d = g[(n * O + group * OG + min(o + i, OG - 1u)) * P + p];
        biases[i] += d;
        for (var j = 0u; j < TN; j++) { sum[i][j] += d * v[j]; }
      }
    }
  }
  let at = part * (O * K + O);
  for (var i = 0u; i < TM; i++) {
    if (o + i >= OG) { break; }
    for (var j = 0u; j < TN; j++) {
      if (k + j < K) { partial[at + (group * OG + o + i) * K + k + j] = sum[i][j]; }
    }
    if (k == 0u) { partial[at + O * K + group * OG + o + i] = biases[i]; }
  }
}
