// Images resampled by one affine map per sample: y[n, c, oy, ox] is x[n, c] at the position theta[n] (ox, oy, 1), where (ox, oy) is
// counted from the centre of y and the position from the centre of x, both in pixels.
// Positions are 16.16 fixed point, so that every adapter reads the same pixels with the same weights.
// x [N, C, H, W]   theta [N, 2, 3]: i32 fixed point, or the bits of f32   y [N, C, OH, OW]

override N: u32;
override C: u32;
override H: u32;
override W: u32;
override OH: u32;
override OW: u32;
override NEAREST: bool;
override FLOATS: bool;   // theta holds floats
override fillValue: f32;  // of pixels outside x

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> theta: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

// Entry i of theta, limited: larger entries reach no image within the limits of sizes, and sums of them would overflow.
fn entry(i: u32, bound: i32) -> i32 {
  var v = theta[i];
  if (FLOATS) { v = i32(floor(clamp(bitcast<f32>(v), -8192.0, 8192.0) * 65536.0 + 0.5)); }
  return clamp(v, -bound, bound);
}

// Position along an axis of `size` pixels, counted from the first pixel; row is the index of theta's row.
fn position(row: u32, X: i32, Y: i32, size: u32) -> i32 {
  const linear = (8 << 16u) - 1;
  let linearPart = entry(row, linear) * X + entry(row + 1u, linear) * Y;
  return (linearPart >> 1u) + entry(row + 2u, 1 << 29u) + (i32(size - 1u) << 15u);
}

// A pixel, or the value outside the image.
fn pixelOf(plane: u32, ix: i32, iy: i32) -> f32 {
  let inside = (u32(ix) < W) & (u32(iy) < H);
  let at = select(0u, plane + u32(iy) * W + u32(ix), inside);
  return select(fillValue, x[at], inside);
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= N * OH * OW) { return; }
  let sample = i / (OH * OW);
  let pixel = i % (OH * OW);
  // Twice the distance from the centre: the centre may lie between two pixels.
  let X = 2 * i32(pixel % OW) - i32(OW - 1u);
  let Y = 2 * i32(pixel / OW) - i32(OH - 1u);
  let sx = position(6u * sample, X, Y, W);
  let sy = position(6u * sample + 3u, X, Y, H);
  for (var c = 0u; c < C; c++) {
    let plane = (sample * C + c) * H * W;
    let to = (sample * C + c) * OH * OW + pixel;
    if (NEAREST) {
      y[to] = pixelOf(plane, (sx + 0x8000) >> 16u, (sy + 0x8000) >> 16u);
    } else {
      let ix = sx >> 16u;
      let iy = sy >> 16u;
      let fx = f32(sx & 0xffff) * 0x1p-16;
      let fy = f32(sy & 0xffff) * 0x1p-16;
      let above = pixelOf(plane, ix, iy) * (1.0 - fx) + pixelOf(plane, ix + 1, iy) * fx;
      let below = pixelOf(plane, ix, iy + 1) * (1.0 - fx) + pixelOf(plane, ix + 1, iy + 1) * fx;
      y[to] = above * (1.0 - fy) + below * fy;
    }
  }
}
