// y[k] = the largest (KIND 0), the smallest (KIND 1) or the product (KIND 2) of x[k, r] over r. NaN beats all.
// Needs keptPlace, reducedPlace and their constants of reduction-functions.wgsl.
// Long lines go in two stages: `reduce` takes CHUNK elements per invocation, `combine` the PARTS partial results.

override KIND: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(0) var<storage, read> partial: array<f32>;

fn merge(a: f32, v: f32) -> f32 {
  if (KIND == 2u) { return a * v; }
  return select(larger(a, v), smaller(a, v), KIND == 1u);
}

// One invocation per (kept position, part): y holds KEPT x PARTS partial results; with PARTS = 1 it is the result.
@compute @workgroup_size(64)
fn reduce(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= KEPT * PARTS) { return; }
  let at = keptPlace(i / PARTS);
  let first = (i % PARTS) * CHUNK;
  let last = min(first + CHUNK, REDUCED);
  // An extreme may count an element twice, so a part without elements takes the last one.
  var result = select(x[at + reducedPlace(min(first, REDUCED - 1u))], 1.0, KIND == 2u);
  for (var r = first; r < last; r++) { result = merge(result, x[at + reducedPlace(r)]); }
  y[i] = result;
}

@compute @workgroup_size(64)
fn combine(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
  let k = (wg.y * n.x + wg.x) * 64u + lane;
  if (k >= KEPT) { return; }
  var result = partial[k * PARTS];
  for (var p = 1u; p < PARTS; p++) { result = merge(result, partial[k * PARTS + p]); }
  y[k] = result;
}
