// FRAGMENT: the same where N is a multiple of 4 and YN is 1.
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> before: array<vec4<f32>>;

fn store(d: Destination, m: u32, n: u32, sums: vec4<f32>) {
  if (m >= d.M || n >= d.N) { return; }
  let at = (d.first + m * d.YM + n) / 4u;
  let v = biased(d, m, n, sums);
  before[at] = v;
  y[at] = finished(d, m, n, v);
}
