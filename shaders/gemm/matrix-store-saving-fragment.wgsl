// FRAGMENT: `store` of matrix-result-fragment.wgsl for any matrix, that stores what the activation is applied to, too.
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
@group(0) @binding(8) var<storage, read_write> before: array<f32>;

fn store(d: Destination, m: u32, n: u32, sums: vec4<f32>) {
  if (m >= d.M) { return; }
  var v = biased(d, m, n, sums);
  var w = finished(d, m, n, v);
  for (var c = n; c < min(n + 4u, d.N); c++) {
    let at = d.first + m * d.YM + c * d.YN;
    before[at] = v.x;
    y[at] = w.x;
    v = v.yzww;
    w = w.yzww;
  }
}
