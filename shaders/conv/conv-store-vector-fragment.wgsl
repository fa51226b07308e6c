// FRAGMENT: `store` of conv-result-fragment.wgsl where OH * OW is a multiple of 4.
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

fn store(first: Destination, m: u32, n: u32, sums: vec4<f32>) {
  if ((m < OG) & (n < N * OH * OW)) { y[placeOf(first + m, n) / 4u] = finished(first + m, sums); }
}
