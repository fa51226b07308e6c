// y[row] = index along the row of the largest (or, if `smallest`, of the smallest) element of x.
// Of equal elements the first wins; NaN beats every number, the first of several NaN.
// Needs axis-functions.wgsl and special-functions.wgsl. x [OUTER, SIZE, INNER]   y [OUTER, INNER] of 0 … SIZE - 1

override LANES: u32;  // of sharedRows: invocations per row, a power of 2
override smallest: bool;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<i32>;

var<workgroup> laneBest: array<f32, LANES>;
var<workgroup> laneWinner: array<u32, LANES>;

fn beats(v: f32, best: f32) -> bool {
  return !isNan(best) && (isNan(v) || select(v > best, v < best, smallest));
}

// One invocation per row.
@compute @workgroup_size(64)
fn rows(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let row = id.y * n.x * 64u + id.x;
  if (row >= OUTER * INNER) { return; }
  let first = rowStart(row);
  var best = x[first];
  var winner = 0u;
  for (var k = 1u; k < SIZE; k++) {
    let v = x[first + k * INNER];
    let wins = beats(v, best);
    best = select(best, v, wins);
    winner = select(winner, k, wins);
  }
  y[row] = i32(winner);
}

// One workgroup per row.
@compute @workgroup_size(LANES)
fn sharedRows(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
  let row = wg.y * n.x + wg.x;
  if (row >= OUTER * INNER) { return; }
  let first = rowStart(row);
  var winner = min(lane, SIZE - 1u);
  var best = x[first + winner * INNER];
  for (var k = lane + LANES; k < SIZE; k += LANES) {
    let v = x[first + k * INNER];
    let wins = beats(v, best);
    best = select(best, v, wins);
    winner = select(winner, k, wins);
  }
  laneBest[lane] = best;
  laneWinner[lane] = winner;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      let v = laneBest[lane + half];
      let k = laneWinner[lane + half];
      let earlier = k < laneWinner[lane] && !beats(laneBest[lane], v);
      if (beats(v, laneBest[lane]) || earlier) {
        laneBest[lane] = v;
        laneWinner[lane] = k;
      }
    }
  }
  if (lane == 0u) { y[row] = i32(laneWinner[0]); }
}
