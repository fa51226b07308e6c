// Fragment: how kernels read the rows of x, a row being the REDUCED elements of one kept position: in units of UNIT contiguous
// elements. Each of PARTS invocations takes every PARTS-th unit of a row. Runs of R2 contiguous elements are walked without
// dividing, since integer division is expensive.
// Needs reduction-functions.wgsl. Provides x (binding 0), `valuesAt` and `sizeOfPart`.

override UNIT: u32;  // 4, where every run of contiguous elements is made of such; else 1

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;

// The unit of x at element e; where UNIT is 1, the element and three zeros.
fn valuesAt(e: u32) -> vec4<f32> {
  if (UNIT == 4u) { return x[e / 4u]; }
  return vec4(x[e / 4u][e % 4u], 0.0, 0.0, 0.0);
}

// Number of elements of a part; 0 for a part that a row shorter than PARTS does not reach.
fn sizeOfPart(part: u32) -> u32 {
  return UNIT * ((REDUCED / UNIT - part + PARTS - 1u) / PARTS);
}
