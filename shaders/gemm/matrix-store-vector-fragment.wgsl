// FRAGMENT: `store` of matrix-result-fragment.wgsl where N is a multiple of 4 and YN is 1.
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;

fn store(d: Destination, m: u32, n: u32, sums: vec4<f32>) {
  if (m >= d.M || n >= d.N) { return; }
  y[(d.first + m * d.YM + n) / 4u] = finished(d, m, n, biased(d, m, n, sums));
}
