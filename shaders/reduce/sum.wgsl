// y[k] = scale * sum over r of x[k, r], for kept positions k and reduced positions r of up to three axes each.
// Needs keptPlace, reducedPlace and their constants of reduction-functions.wgsl.
// Long sums go in two stages: `partial` sums CHUNK terms per invocation, `combine` adds the PARTS partial sums in order;
// both in blocks, so that no chain of roundings is long.

override scale: f32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(0) var<storage, read> partial: array<f32>;

fn total(k: u32, first: u32, last: u32) -> f32 {
  let at = keptPlace(k);
  var sum = 0.0;
  for (var begin = first; begin < last; begin += 128u) {
    var block = 0.0;
    for (var r = begin; r < min(begin + 128u, last); r++) { block += x[at + reducedPlace(r)]; }
    sum += block;
  }
  return sum;
}

// One invocation per (kept position, part): y holds KEPT x PARTS partial sums; with PARTS = 1 it is the result.
@compute @workgroup_size(64)
fn sum(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
       @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= KEPT * PARTS) { return; }
  let first = (i % PARTS) * CHUNK;
  let s = total(i / PARTS, first, min(first + CHUNK, REDUCED));
  y[i] = select(s, s * scale, PARTS == 1u);
}

@compute @workgroup_size(64)
fn combine(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
  let k = (wg.y * n.x + wg.x) * 64u + lane;
  if (k >= KEPT) { return; }
  var sum = 0.0;
  for (var begin = 0u; begin < PARTS; begin += 32u) {
    var block = 0.0;
    for (var p = begin; p < min(begin + 32u, PARTS); p++) { block += partial[k * PARTS + p]; }
    sum += block;
  }
  y[k] = sum * scale;
}
