// What the other lanes of a quad hold: of the one beside, the one below, the one across. Two terms of four rows each.

fn swapX(m: mat4x2<f32>) -> mat4x2<f32> {
  return mat4x2(quadSwapX(m[0]), quadSwapX(m[1]), quadSwapX(m[2]), quadSwapX(m[3]));
}

fn swapY(m: mat4x2<f32>) -> mat4x2<f32> {
  return mat4x2(quadSwapY(m[0]), quadSwapY(m[1]), quadSwapY(m[2]), quadSwapY(m[3]));
}

fn swapDiagonal(m: mat4x2<f32>) -> mat4x2<f32> {
  return mat4x2(quadSwapDiagonal(m[0]), quadSwapDiagonal(m[1]), quadSwapDiagonal(m[2]), quadSwapDiagonal(m[3]));
}
