// Places of a convolution in the order of the 2 x 2 windows of the pool that follows, four places to a window, and how
// sums become y and code [N, O, PH, PW]: see conv2d-forward.wgsl. Bias and relu come on the way.

override N: u32;
override O: u32;
override PH: u32;
override PW: u32;
override BIAS: bool;

@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> code: array<u32>;

struct Places {
  image: vec4<u32>,
  row: vec4<u32>,
  column: vec4<u32>,
}

// The places of window n / 4; the last one again for windows over the edge.
fn placesOf(n: u32) -> Places {
  let p = min(n / 4u, N * PH * PW - 1u);
  return Places(vec4(p / (PH * PW)), p / PW % PH * 2u + vec4(0u, 0u, 1u, 1u), p % PW * 2u + vec4(0u, 1u, 0u, 1u));
}

fn putRow(first: u32, m: u32, n: u32, sum: vec4<f32>) {
  let p = n / 4u;
  if ((m < OG) & (p < N * PH * PW)) {
    var v = sum;
    if (BIAS) { v += b[m]; }
    putWindow((p / (PH * PW) * O + m) * (PH * PW) + p % (PH * PW), v);
  }
}

// Vectors are windows here, so there is nothing to write four at a time.
fn putRow4(first: u32, m: u32, n: u32, sum: vec4<f32>) {
  putRow(first, m, n, sum);
}
