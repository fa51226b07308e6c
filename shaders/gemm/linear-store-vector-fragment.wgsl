// FRAGMENT: `store` of linear-gradients-fragment.wgsl where IN is a multiple of 4.
@group(0) @binding(4) var<storage, read> extra: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> dw: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> db: array<f32>;

fn store(d: Destination, m: u32, n: u32, sums: vec4<f32>) {
  if (m >= d.rows) { return; }
  let at = (m * d.IN + n) / 4u;
  if (d.weight) {
    if (n < sizes.WEIGHT_COLUMNS) { dw[at] = sums; }
    if ((n == d.IN) & (sizes.BIAS == 1u)) { db[m] = sums.x; }
  } else if (n < d.IN) {
    var v = sums;
    if (d.extra != 0u) { v = dxOf(d.extra, v, extra[at]); }
    dx[at] = v;
  }
}
