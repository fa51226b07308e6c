// y[k] = the largest, the smallest or the product of x[k, r] over r. NaN beats every number.
// Needs reduction-functions.wgsl and special-functions.wgsl. y: KEPT values, or KEPT x PARTS partial results
// Long rows are reduced in two dispatches: `reduce` takes CHUNK elements per invocation, `combine` the PARTS partial results.

override KIND: u32;  // 0: largest, 1: smallest, 2: product

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(0) var<storage, read> partial: array<f32>;

fn merge(a: f32, v: f32) -> f32 {
  if (KIND == 2u) { return a * v; }
  return select(larger(a, v), smaller(a, v), KIND == 1u);
}

// One invocation per kept position and part. With PARTS = 1, y is the result.
@compute @workgroup_size(64)
fn reduce(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= KEPT * PARTS) { return; }
  let at = keptIndex(i / PARTS);
  let first = (i % PARTS) * CHUNK;
  let last = min(first + CHUNK, REDUCED);
  // An extremum does not change if an element counts twice, so a part without elements takes the last one.
  var result = select(x[at + reducedIndex(min(first, REDUCED - 1u))], 1.0, KIND == 2u);
  for (var r = first; r < last; r++) { result = merge(result, x[at + reducedIndex(r)]); }
  y[i] = result;
}

@compute @workgroup_size(64)
fn combine(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let k = id.y * n.x * 64u + id.x;
  if (k >= KEPT) { return; }
  var result = partial[k * PARTS];
  for (var p = 1u; p < PARTS; p++) { result = merge(result, partial[k * PARTS + p]); }
  y[k] = result;
}
