// y[k] = x[0] + … + x[k] along each line of x [OUTER, SIZE, INNER], a line being the SIZE elements INNER apart; from
// the other end if `reverse`. The order of additions is fixed: same input, same bits. Sums grow by blocks of BLOCK elements,
// so that no chain of roundings is long.

override OUTER: u32;
override SIZE: u32;
override INNER: u32;
override LANES: u32;
override CHUNK: u32;  // elements of a line per lane
override reverse: bool;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

var<workgroup> ends: array<f32, LANES>;

const BLOCK = 128u;

fn place(line: u32, k: u32) -> u32 {
  return (line / INNER * SIZE + select(k, SIZE - 1u - k, reverse)) * INNER + line % INNER;
}

// Writes the running sums of elements `first` to `last`, `before` them, of a line.
fn run(line: u32, first: u32, last: u32, before: f32) {
  var sum = before;
  for (var begin = first; begin < last; begin += BLOCK) {
    var block = 0.0;
    for (var k = begin; k < min(begin + BLOCK, last); k++) {
      block += x[place(line, k)];
      y[place(line, k)] = sum + block;
    }
    sum += block;
  }
}

// One invocation per line.
@compute @workgroup_size(64)
fn lines(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
         @builtin(local_invocation_index) lane: u32) {
  let line = (wg.y * n.x + wg.x) * 64u + lane;
  if (line >= OUTER * INNER) { return; }
  run(line, 0u, SIZE, 0.0);
}

// One workgroup per line: every lane adds up its chunk, then starts from where the chunks before it end.
@compute @workgroup_size(LANES)
fn sharedLines(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
  let line = wg.y * n.x + wg.x;
  if (line >= OUTER * INNER) { return; }
  let first = min(lane * CHUNK, SIZE);
  let last = min(first + CHUNK, SIZE);
  var sum = 0.0;
  for (var begin = first; begin < last; begin += BLOCK) {
    var block = 0.0;
    for (var k = begin; k < min(begin + BLOCK, last); k++) { block += x[place(line, k)]; }
    sum += block;
  }
  ends[lane] = sum;
  workgroupBarrier();
  sum = 0.0;
  for (var before = 0u; before < lane; before++) { sum += ends[before]; }
  run(line, first, last, sum);
}
