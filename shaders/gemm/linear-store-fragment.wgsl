// FRAGMENT: `store` of linear-gradients-fragment.wgsl for any IN.
@group(0) @binding(4) var<storage, read> extra: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<storage, read_write> dw: array<f32>;
@group(0) @binding(7) var<storage, read_write> db: array<f32>;

fn store(d: Destination, m: u32, n: u32, sums: vec4<f32>) {
  if (m >= d.rows) { return; }
  let at = m * d.IN + min(n + STEPS, vec4(d.IN - 1u));
  var v = sums;
  if (d.extra != 0u) {
    v = dxOf(d.extra, v, vec4(extra[at.x], extra[at.y], extra[at.z], extra[at.w]));
  }
  for (var c = n; c < min(n + 4u, d.IN + 1u); c++) {
    if (!d.weight) {
      if (c < d.IN) { dx[m * d.IN + c] = v.x; }
    } else if (c < sizes.WEIGHT_COLUMNS) {
      dw[m * d.IN + c] = v.x;
    } else if ((c == d.IN) & (sizes.BIAS == 1u)) {
      db[m] = v.x;
    }
    v = v.yzww;
  }
}
