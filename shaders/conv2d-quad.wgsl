// The tile of matmul-quad.wgsl for a convolution's operands, four ks after four.

override TAIL: bool;  // what is summed over is no multiple of 4

fn swapX(m: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(quadSwapX(m[0]), quadSwapX(m[1]), quadSwapX(m[2]), quadSwapX(m[3]));
}

fn swapY(m: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(quadSwapY(m[0]), quadSwapY(m[1]), quadSwapY(m[2]), quadSwapY(m[3]));
}

fn swapDiagonal(m: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(quadSwapDiagonal(m[0]), quadSwapDiagonal(m[1]), quadSwapDiagonal(m[2]), quadSwapDiagonal(m[3]));
}

fn outer(columns: vec4<f32>, rows: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(columns * rows.x, columns * rows.y, columns * rows.z, columns * rows.w);
}

// The ks that are left over go one by one.
fn tile(part: Part, m: u32, n: u32) -> Tile {
  let rows = aStart(part.z, m);
  let columns = bStart(part.z, n);
  let whole = select(part.last, part.last / 4u * 4u, TAIL);
  var t = Tile();
  for (var k = part.first; k < whole; k += 4u) {
    let u = aBlock(rows, k);
    let v = bBlock(columns, k);
    t[0] += v * u;
    t[1] += v * swapX(u);
    t[2] += v * swapY(u);
    t[3] += v * swapDiagonal(u);
  }
  if (TAIL) {
    for (var k = whole; k < part.last; k++) {
      let u = aOne(rows, k);
      let v = bOne(columns, k);
      t[0] += outer(v, u);
      t[1] += outer(v, quadSwapX(u));
      t[2] += outer(v, quadSwapY(u));
      t[3] += outer(v, quadSwapDiagonal(u));
    }
  }
  return t;
}
