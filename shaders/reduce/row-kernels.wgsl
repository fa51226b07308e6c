// Fragment with entry points: reduces each row of x, a row being the REDUCED elements of one kept position k, to two numbers.
// Rows are read in units of UNIT contiguous elements; each of PARTS invocations takes every PARTS-th unit of a row.
//   rows: one invocation per row     parts, then combine: one per part, then one per row     sharedRows: one workgroup per row
// Needs reduction-functions.wgsl and, from the kernel it belongs to:
//   partOf(k, part) -> vec2: the result of a part     join(all, piece, size) -> vec3: `all`, whose z counts elements, with the result
//   of `size` more     store(k, result): writes the result of row k
// Provides x (binding 0), the buffers of partial results (bindings 4 and 5) and `valuesAt`.

override UNIT: u32;  // 4, where every run of contiguous elements is made of such; else 1

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> partial: array<vec2<f32>>;  // KEPT x PARTS
@group(0) @binding(5) var<storage, read> partials: array<vec2<f32>>;       // the same as an input

var<workgroup> lanes: array<vec3<f32>, PARTS>;

// The unit of x at element e; where UNIT is 1, the element and three zeros.
fn valuesAt(e: u32) -> vec4<f32> {
  if (UNIT == 4u) { return x[e / 4u]; }
  return vec4(x[e / 4u][e % 4u], 0.0, 0.0, 0.0);
}

// Number of elements of a part; 0 for a part that a row shorter than PARTS does not reach.
fn sizeOfPart(part: u32) -> f32 {
  return f32(UNIT * ((REDUCED / UNIT - part + PARTS - 1u) / PARTS));
}

@compute @workgroup_size(64)
fn rows(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let k = id.y * n.x * 64u + id.x;
  if (k < KEPT) { store(k, partOf(k, 0u)); }
}

@compute @workgroup_size(64)
fn parts(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i < KEPT * PARTS) { partial[i] = partOf(i / PARTS, i % PARTS); }
}

@compute @workgroup_size(64)
fn combine(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let k = id.y * n.x * 64u + id.x;
  if (k >= KEPT) { return; }
  var all = vec3(partials[k * PARTS], sizeOfPart(0u));
  for (var p = 1u; p < PARTS; p++) { all = join(all, partials[k * PARTS + p], sizeOfPart(p)); }
  store(k, all.xy);
}

@compute @workgroup_size(PARTS)
fn sharedRows(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
  let k = wg.y * n.x + wg.x;
  if (k >= KEPT) { return; }
  lanes[lane] = vec3(partOf(k, lane), sizeOfPart(lane));
  workgroupBarrier();
  // Of many, a few invocations join sixteen each, so that no invocation joins all of them alone.
  if (PARTS > 16u) {
    if (lane < PARTS / 16u) { lanes[lane * 16u] = joined(lane * 16u, 16u, 1u); }
    workgroupBarrier();
  }
  if (lane > 0u) { return; }
  if (PARTS > 16u) { store(k, joined(0u, PARTS / 16u, 16u).xy); } else { store(k, joined(0u, PARTS, 1u).xy); }
}

// The results of `number` invocations, `step` apart, from `first` on.
fn joined(first: u32, number: u32, step: u32) -> vec3<f32> {
  var all = lanes[first];
  for (var i = 1u; i < number; i++) {
    let piece = lanes[first + i * step];
    all = join(all, piece.xy, piece.z);
  }
  return all;
}
