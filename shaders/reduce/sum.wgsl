// y[k] = scale * sum over r of x[k, r].
// Needs reduction-functions.wgsl. x: the tensor as it lies   y: KEPT values, or KEPT x PARTS partial sums
// Long rows are added in two dispatches: `sum` adds CHUNK elements per invocation, `combine` the PARTS partial sums of a row in
// order. Both add in blocks, since one long chain of additions would lose precision.

override scale: f32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(0) var<storage, read> partial: array<f32>;

fn total(k: u32, first: u32, last: u32) -> f32 {
  let at = keptIndex(k);
  var sum = 0.0;
  for (var begin = first; begin < last; begin += 128u) {
    var block = 0.0;
    for (var r = begin; r < min(begin + 128u, last); r++) { block += x[at + reducedIndex(r)]; }
    sum += block;
  }
  return sum;
}

// One invocation per kept position and part. With PARTS = 1, y is the result.
@compute @workgroup_size(64)
fn sum(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= KEPT * PARTS) { return; }
  let first = (i % PARTS) * CHUNK;
  let s = total(i / PARTS, first, min(first + CHUNK, REDUCED));
  y[i] = select(s, s * scale, PARTS == 1u);
}

@compute @workgroup_size(64)
fn combine(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let k = id.y * n.x * 64u + id.x;
  if (k >= KEPT) { return; }
  var sum = 0.0;
  for (var begin = 0u; begin < PARTS; begin += 32u) {
    var block = 0.0;
    for (var p = begin; p < min(begin + 32u, PARTS); p++) { block += partial[k * PARTS + p]; }
    sum += block;
  }
  y[k] = sum * scale;
}
