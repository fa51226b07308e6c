// y[k] = x[0] + … + x[k] along each row, or x[k] + … + x[SIZE - 1] if `reverse`. The order of additions is fixed.
// Needs axis-functions.wgsl. x, y [OUTER, SIZE, INNER]
// Elements are added in blocks of BLOCK, then the blocks: one long chain of additions would lose precision.

override LANES: u32;  // of sharedRows: invocations per row
override CHUNK: u32;  // of sharedRows: elements per invocation
override reverse: bool;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

var<workgroup> chunkSums: array<f32, LANES>;

const BLOCK = 128u;

// Index of the k-th element that is added.
fn indexOf(start: u32, k: u32) -> u32 {
  return start + select(k, SIZE - 1u - k, reverse) * INNER;
}

// Writes the running sums of elements first … last - 1, the elements before which add up to `before`.
fn writeSums(start: u32, first: u32, last: u32, before: f32) {
  var sum = before;
  for (var begin = first; begin < last; begin += BLOCK) {
    var block = 0.0;
    for (var k = begin; k < min(begin + BLOCK, last); k++) {
      block += x[indexOf(start, k)];
      y[indexOf(start, k)] = sum + block;
    }
    sum += block;
  }
}

// One invocation per row.
@compute @workgroup_size(64)
fn rows(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let row = id.y * n.x * 64u + id.x;
  if (row < OUTER * INNER) { writeSums(rowStart(row), 0u, SIZE, 0.0); }
}

// One workgroup per row: each invocation adds up its chunk, then continues from the sum of the chunks before.
@compute @workgroup_size(LANES)
fn sharedRows(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
  let row = wg.y * n.x + wg.x;
  if (row >= OUTER * INNER) { return; }
  let start = rowStart(row);
  let first = min(lane * CHUNK, SIZE);
  let last = min(first + CHUNK, SIZE);
  var sum = 0.0;
  for (var begin = first; begin < last; begin += BLOCK) {
    var block = 0.0;
    for (var k = begin; k < min(begin + BLOCK, last); k++) { block += x[indexOf(start, k)]; }
    sum += block;
  }
  chunkSums[lane] = sum;
  workgroupBarrier();
  sum = 0.0;
  for (var before = 0u; before < lane; before++) { sum += chunkSums[before]; }
  writeSums(start, first, last, sum);
}
