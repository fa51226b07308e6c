// Gathering and scattering along the middle axis of [OUTER, V, INNER] by indices:
//   gather:  y[outer, k, inner] = x[outer, i, inner]     scatter: y[outer, i, inner] = sum of x[outer, k, inner]
// where i = index[outer * IO + k * IK + inner * II], from -V on if `fromEnd`. Another index gathers MISSING and adds nothing.
// gather moves 4-byte words of any dtype. Sums are added by ascending k. `scatterRows`: one invocation per row (outer, inner).
// `clear`, `link`, `addLists`: the k of equal index are linked into lists, then one invocation per sum follows its list.
// `clearSums`, `scatterOnce`: for rows without equal indices.

override OUTER: u32;
override V: u32;           // length of the axis that indices refer to
override INNER: u32;
override K: u32;           // number of indices along the axis
override IO: u32;          // strides of the indices
override IK: u32;
override II: u32;
override INDEX_ROWS: u32;  // rows of indices: OUTER * INNER, or 1 that all rows share

override fromEnd: bool;    // whether negative indices count from the end
override MISSING: u32;

const NONE = 0xffffffffu;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> gathered: array<u32>;
@group(0) @binding(3) var<storage, read_write> first: array<u32>;  // INDEX_ROWS x V: the first k of an index
@group(0) @binding(4) var<storage, read_write> next: array<u32>;   // INDEX_ROWS x K: the next k of the same index

// The place that an index means; V for none.
fn placeAt(i: u32) -> u32 {
  let v = index[i];
  return min(u32(select(v, v + i32(V), fromEnd && v < 0)), V);
}

@compute @workgroup_size(64)
fn gather(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let e = id.y * n.x * 64u + id.x;
  if (e >= OUTER * K * INNER) { return; }
  let inner = e % INNER;
  let outer = e / (K * INNER);
  let v = placeAt(outer * IO + (e / INNER) % K * IK + inner * II);
  var value = MISSING;
  if (v < V) { value = words[(outer * V + v) * INNER + inner]; }
  gathered[e] = value;
}

@compute @workgroup_size(64)
fn clearSums(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let e = id.y * n.x * 64u + id.x;
  if (e < OUTER * V * INNER) { y[e] = 0.0; }
}

@compute @workgroup_size(64)
fn scatterOnce(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let e = id.y * n.x * 64u + id.x;
  if (e >= OUTER * K * INNER) { return; }
  let inner = e % INNER;
  let outer = e / (K * INNER);
  let v = placeAt(outer * IO + (e / INNER) % K * IK + inner * II);
  if (v < V) { y[(outer * V + v) * INNER + inner] = x[e]; }
}

@compute @workgroup_size(64)
fn scatterRows(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let row = id.y * n.x * 64u + id.x;
  if (row >= OUTER * INNER) { return; }
  let inner = row % INNER;
  let outer = row / INNER;
  for (var v = 0u; v < V; v++) { y[(outer * V + v) * INNER + inner] = 0.0; }
  for (var k = 0u; k < K; k++) {
    let v = placeAt(outer * IO + k * IK + inner * II);
    if (v < V) { y[(outer * V + v) * INNER + inner] += x[(outer * K + k) * INNER + inner]; }
  }
}

@compute @workgroup_size(64)
fn clear(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i < INDEX_ROWS * V) { first[i] = NONE; }
}

@compute @workgroup_size(64)
fn link(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= INDEX_ROWS * K) { return; }
  let row = i / K;
  let k = i % K;
  let start = row / INNER * IO + row % INNER * II;
  let v = placeAt(start + k * IK);
  var later = k + 1u;
  while (later < K && placeAt(start + later * IK) != v) { later++; }
  next[i] = select(NONE, later, later < K);
  var earlier = 0u;
  while (earlier < k && placeAt(start + earlier * IK) != v) { earlier++; }
  if (earlier == k && v < V) { first[row * V + v] = k; }
}

@compute @workgroup_size(64)
fn addLists(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let e = id.y * n.x * 64u + id.x;
  if (e >= OUTER * V * INNER) { return; }
  let inner = e % INNER;
  let outer = e / (V * INNER);
  let row = select(outer * INNER + inner, 0u, INDEX_ROWS == 1u);
  var sum = 0.0;
  var k = first[row * V + (e / INNER) % V];
  while (k != NONE) {
    sum += x[(outer * K + k) * INNER + inner];
    k = next[row * K + k];
  }
  y[e] = sum;
}
