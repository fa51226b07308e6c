// FRAGMENT: how row-strip.wgsl and row-strip-backward.wgsl read x [N, C, H, W]. Needs `Sizes` with H and W.
enable subgroups;

@group(0) @binding(0) var<storage, read> x: array<f32>;

// Where a row of a plane of x begins, and its number of columns: 0 above and below x.
struct Row {
  start: u32,
  end: u32,
}

fn rowOf(s: Sizes, plane: u32, row: u32) -> Row {
  return Row(plane + row * s.W, select(0u, s.W, row < s.H));
}

// Zero outside of x. Left of it the unsigned column has wrapped round to something huge.
fn pixel(row: Row, column: u32) -> f32 {
  return select(0.0, x[row.start + column], column < row.end);
}

// Of two blocks side by side the block in the middle.
fn between(left: vec4<f32>, right: vec4<f32>) -> vec4<f32> {
  return vec4(left.y, right.x, left.w, right.z);
}
