// The order of the elements along each row: their indices by ascending or, if `descending`, descending value. Equal elements stay in
// the order in which they lie; NaN is larger than every number.
// Needs order-key-functions.wgsl and axis-functions.wgsl. x [OUTER, SIZE, INNER] of 4-byte words   y [OUTER, COUNT, INNER]
// `sortBlocks` orders every BLOCK elements by counting those that come before each. `mergeRuns` merges neighbouring ordered runs two by
// two: bisection of the other run tells how many of its elements come before an element. Runs lie row after row in scratch memory.

struct Sizes { RUN: u32 }  // length of the runs that are merged

override BLOCK: u32;
override descending: bool;
override COUNT: u32;  // number of indices per row in the result
override LAST: bool;  // whether this dispatch writes the result

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> runs: array<u32>;          // OUTER * INNER rows of SIZE
@group(0) @binding(2) var<storage, read_write> merged: array<u32>;  // the same, or y
@group(0) @binding(3) var<uniform> sizes: Sizes;

fn keyOf(first: u32, k: u32) -> u32 {
  let key = orderKey(x[first + k * INNER]);
  return select(key, ~key, descending);
}

fn store(row: u32, place: u32, k: u32) {
  if (!LAST) {
    merged[row * SIZE + place] = k;
  } else if (place < COUNT) {
    merged[(row / INNER * COUNT + place) * INNER + row % INNER] = k;
  }
}

// One invocation per element.
@compute @workgroup_size(64)
fn sortBlocks(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let e = id.y * n.x * 64u + id.x;
  if (e >= OUTER * SIZE * INNER) { return; }
  let row = e / SIZE;
  let k = e % SIZE;
  let first = rowStart(row);
  let own = keyOf(first, k);
  let begin = k / BLOCK * BLOCK;
  var place = begin;
  for (var other = begin; other < min(begin + BLOCK, SIZE); other++) {
    let key = keyOf(first, other);
    place += select(0u, 1u, (key < own) | ((key == own) & (other < k)));
  }
  store(row, place, k);
}

// One invocation per element.
@compute @workgroup_size(64)
fn mergeRuns(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let e = id.y * n.x * 64u + id.x;
  if (e >= OUTER * SIZE * INNER) { return; }
  let row = e / SIZE;
  let at = e % SIZE;
  let first = rowStart(row);
  let begin = at / (2u * sizes.RUN) * (2u * sizes.RUN);
  let middle = min(begin + sizes.RUN, SIZE);
  let isLeft = at < middle;
  let otherBegin = select(begin, middle, isLeft);
  let k = runs[e];
  let own = keyOf(first, k);
  var low = otherBegin;
  var high = select(middle, min(middle + sizes.RUN, SIZE), isLeft);
  while (low < high) {
    let half = (low + high) / 2u;
    let key = keyOf(first, runs[row * SIZE + half]);
    // Equal elements of the left run come before those of the right one.
    let isBefore = (key < own) | ((key == own) & !isLeft);
    low = select(low, half + 1u, isBefore);
    high = select(half, high, isBefore);
  }
  store(row, begin + (at - select(middle, begin, isLeft)) + (low - otherBegin), k);
}
