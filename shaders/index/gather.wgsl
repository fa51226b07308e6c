// Elements of x [OUTER, V, INNER] chosen along the middle axis by index, and the sum of elements back to where they
// were chosen from. The index of (outer, k, inner) is index[outer * IO + k * IK + inner * II]; one that is not in
// 0 … V-1 gathers NaN and adds nothing.
//   gather:  y[outer, k, inner] = x[outer, index, inner]     scatter: y[outer, index, inner] += x[outer, k, inner]
// Additions go by ascending k. `scatterLines`: one invocation per line (outer, inner). `clear`, `link`, `walk`: the k
// of equal index are linked first (LINES lines of indices: OUTER * INNER, or 1 that all share), one invocation per sum.

override OUTER: u32;
override V: u32;
override INNER: u32;
override K: u32;
override IO: u32;
override IK: u32;
override II: u32;
override LINES: u32;

const NONE = 0xffffffffu;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> first: array<u32>;  // LINES x V: the first k of an index
@group(0) @binding(4) var<storage, read_write> next: array<u32>;   // LINES x K: the next k of the same index

@compute @workgroup_size(64)
fn gather(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
  let e = (wg.y * n.x + wg.x) * 64u + lane;
  if (e >= OUTER * K * INNER) { return; }
  let inner = e % INNER;
  let outer = e / (K * INNER);
  let v = index[outer * IO + (e / INNER) % K * IK + inner * II];
  var nan = 0x7fc00000u;
  var value = bitcast<f32>(nan);
  if (v >= 0 && u32(v) < V) { value = x[(outer * V + u32(v)) * INNER + inner]; }
  y[e] = value;
}

@compute @workgroup_size(64)
fn scatterLines(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
  let line = (wg.y * n.x + wg.x) * 64u + lane;
  if (line >= OUTER * INNER) { return; }
  let inner = line % INNER;
  let outer = line / INNER;
  for (var v = 0u; v < V; v++) { y[(outer * V + v) * INNER + inner] = 0.0; }
  for (var k = 0u; k < K; k++) {
    let v = index[outer * IO + k * IK + inner * II];
    if (v >= 0 && u32(v) < V) { y[(outer * V + u32(v)) * INNER + inner] += x[(outer * K + k) * INNER + inner]; }
  }
}

@compute @workgroup_size(64)
fn clear(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
         @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i < LINES * V) { first[i] = NONE; }
}

@compute @workgroup_size(64)
fn link(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= LINES * K) { return; }
  let line = i / K;
  let k = i % K;
  let start = line / INNER * IO + line % INNER * II;
  let v = index[start + k * IK];
  var later = k + 1u;
  while (later < K && index[start + later * IK] != v) { later++; }
  next[i] = select(NONE, later, later < K);
  var earlier = 0u;
  while (earlier < k && index[start + earlier * IK] != v) { earlier++; }
  if (earlier == k && v >= 0 && u32(v) < V) { first[line * V + u32(v)] = k; }
}

@compute @workgroup_size(64)
fn walk(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let e = (wg.y * n.x + wg.x) * 64u + lane;
  if (e >= OUTER * V * INNER) { return; }
  let inner = e % INNER;
  let outer = e / (V * INNER);
  let line = select(outer * INNER + inner, 0u, LINES == 1u);
  var sum = 0.0;
  var k = first[line * V + (e / INNER) % V];
  while (k != NONE) {
    sum += x[(outer * K + k) * INNER + inner];
    k = next[line * K + k];
  }
  y[e] = sum;
}
