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

const NONE = 0xffffffffu;

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

// By its bits: compilers take `v != v` to be false.
fn isNan(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

fn putRow(first: u32, m: u32, n: u32, sum: vec4<f32>) {
  let p = n / 4u;
  if ((m < OG) & (p < N * PH * PW)) {
    var v = sum;
    if (BIAS) { v += b[m]; }
    let r = select(v, vec4<f32>(), v <= vec4<f32>());
    let best = max(max(r.x, r.y), max(r.z, r.w));
    // A NaN beats everything, and only a NaN makes the sum of relus one.
    let all = r.x + r.y + r.z + r.w;
    let at = (p / (PH * PW) * O + m) * (PH * PW) + p % (PH * PW);
    y[at] = select(best, all, isNan(all));
    let position = select(select(select(3u, 2u, r.z == best), 1u, r.y == best), 0u, r.x == best);
    code[at] = select(NONE, position, (best > 0.0) & !isNan(all));
  }
}

// Vectors are windows here, so there is nothing to write four at a time.
fn putRow4(first: u32, m: u32, n: u32, sum: vec4<f32>) {
  putRow(first, m, n, sum);
}
