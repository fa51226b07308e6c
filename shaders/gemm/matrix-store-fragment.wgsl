// FRAGMENT: `store` of matrix-result-fragment.wgsl for any matrix.
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

fn store(d: Destination, m: u32, n: u32, sums: vec4<f32>) {
  if (m >= d.M) { return; }
  let v = finished(d, m, n, biased(d, m, n, sums));
  let at = d.first + m * d.YM + (n + STEPS) * d.YN;
  if (n < d.N) { y[at.x] = v.x; }
  if (n + 1u < d.N) { y[at.y] = v.y; }
  if (n + 2u < d.N) { y[at.z] = v.z; }
  if (n + 3u < d.N) { y[at.w] = v.w; }
}
