// FRAGMENT: `store` of conv-result-fragment.wgsl for any size.
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn store(first: Destination, m: u32, n: u32, sums: vec4<f32>) {
  if (m >= OG) { return; }
  var v = finished(first + m, sums);
  for (var p = n; p < min(n + 4u, N * OH * OW); p++) {
    y[placeOf(first + m, p)] = v.x;
    v = v.yzww;
  }
}
