// y[k] = the largest, the smallest, the product or the sum of the integers x[k, r] over r. Sums and products wrap around.
// Needs reduction-functions.wgsl. x, y: i32 or u32 as u32. y: KEPT values, or KEPT x PARTS partial results
// Long rows are reduced in two dispatches: `reduce` takes CHUNK elements per invocation, `combine` the PARTS partial results.

override KIND: u32;     // 0: largest, 1: smallest, 2: product, 3: sum
override isSigned: bool;

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(0) var<storage, read> partial: array<u32>;

fn merge(a: u32, v: u32) -> u32 {
  if (KIND == 3u) { return a + v; }
  if (KIND == 2u) { return a * v; }
  // With the sign bit flipped, signed integers are ordered as unsigned ones.
  let flip = select(0u, 0x80000000u, isSigned);
  return select(a, v, ((v ^ flip) > (a ^ flip)) == (KIND == 0u));
}

// One invocation per kept position and part. With PARTS = 1, y is the result.
@compute @workgroup_size(64)
fn reduce(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= KEPT * PARTS) { return; }
  let at = keptIndex(i / PARTS);
  let first = (i % PARTS) * CHUNK;
  // An extremum does not change if an element counts twice, so a part without elements takes the last one.
  var result = select(x[at + reducedIndex(min(first, REDUCED - 1u))], select(0u, 1u, KIND == 2u), KIND >= 2u);
  for (var r = first; r < min(first + CHUNK, REDUCED); r++) { result = merge(result, x[at + reducedIndex(r)]); }
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
