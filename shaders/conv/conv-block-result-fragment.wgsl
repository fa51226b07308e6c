// FRAGMENT: a result, see gemm-fragment.wgsl; for conv-operands-fragment.wgsl where relu and a 2 x 2 max-pool follow the
// convolution: y and code [N, O, PH, PW]. Output positions go window by window, four to each. Needs window-fragment.wgsl.

override PH: u32;
override PW: u32;
override BIAS: bool;

@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> code: array<u32>;

fn positionsOf(n: u32) -> Positions {
  let p = min(n / 4u, N * PH * PW - 1u);
  return Positions(vec4(p / (PH * PW)), p / PW % PH * 2u + vec4(0u, 0u, 1u, 1u), p % PW * 2u + vec4(0u, 1u, 0u, 1u));
}

fn store(first: Destination, m: u32, n: u32, sums: vec4<f32>) {
  let p = n / 4u;
  if ((m >= OG) | (p >= N * PH * PW)) { return; }
  var v = sums;
  if (BIAS) { v += b[m]; }
  storeWindow((p / (PH * PW) * O + m) * (PH * PW) + p % (PH * PW), v);
}
