// How kernels that reduce lines of x [KEPT, REDUCED] walk them: in units of four neighbours where all lines are made of such,
// else of one. Each of PARTS invocations takes every PARTS-th unit of a line. Rows of R2 elements are walked without
// dividing: integer division is dear. Needs reduction-functions.wgsl.

override UNIT: u32;  // 4 or 1

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;

// The unit of x at element e; a single element has zeros beside it.
fn valuesAt(e: u32) -> vec4<f32> {
  if (UNIT == 4u) { return x[e / 4u]; }
  return vec4(x[e / 4u][e % 4u], 0.0, 0.0, 0.0);
}

// 0 for a part beyond a line shorter than PARTS.
fn sizeOfPart(part: u32) -> u32 {
  return UNIT * ((REDUCED / UNIT - part + PARTS - 1u) / PARTS);
}
