// Where the places of y [N, O, OH, OW] are and how sums become y: see conv2d-forward.wgsl.

override N: u32;
override O: u32;
override OH: u32;
override OW: u32;
override BIAS: bool;

@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> y4: array<vec4<f32>>;

struct Places {
  image: vec4<u32>,
  row: vec4<u32>,
  column: vec4<u32>,
}

// Places n … n + 3; those over the edge are the last one again.
fn placesOf(n: u32) -> Places {
  let p = min(n + STEPS, vec4(N * OH * OW - 1u));
  return Places(p / (OH * OW), p / OW % OH, p % OW);
}

fn putRow(first: u32, m: u32, n: u32, sum: vec4<f32>) {
  var v = sum;
  if (BIAS) { v += b[min(first + m, O - 1u)]; }
  put(first, m, n, v.x);
  put(first, m, n + 1u, v.y);
  put(first, m, n + 2u, v.z);
  put(first, m, n + 3u, v.w);
}

fn put(first: u32, m: u32, p: u32, value: f32) {
  if ((m < OG) & (p < N * OH * OW)) { y[(p / (OH * OW) * O + first + m) * (OH * OW) + p % (OH * OW)] = value; }
}

// The same where OH * OW is a multiple of 4.
fn putRow4(first: u32, m: u32, n: u32, sum: vec4<f32>) {
  let o = first + m;
  var v = sum;
  if (BIAS) { v += b[min(o, O - 1u)]; }
  if ((m < OG) & (n < N * OH * OW)) { y4[((n / (OH * OW) * O + o) * (OH * OW) + n % (OH * OW)) / 4u] = v; }
}
