// y[row] = index along the row of the largest (or, if `smallest`, of the smallest) element of x.
// Of equal elements the first wins, or if `lastWins` the last; NaN beats every number and equals other NaN.
// Needs axis-functions.wgsl and order-key-functions.wgsl. x [OUTER, SIZE, INNER] of 4-byte words   y [OUTER, INNER] of 0 … SIZE - 1

override LANES: u32;  // of sharedRows: invocations per row, a power of 2
override smallest: bool;
override lastWins: bool;

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<i32>;

var<workgroup> laneBest: array<u32, LANES>;
var<workgroup> laneWinner: array<u32, LANES>;

// Larger for what wins.
fn keyAt(i: u32) -> u32 {
  let key = orderKey(x[i]);
  let isNan = DTYPE == 0u && key == 0xffffffffu;
  return select(key, ~key, smallest && !isNan);
}

// Whether the key v beats another one, which lies before it or after it.
fn beats(v: u32, best: u32, isLater: bool) -> bool { return v > best || (v == best && isLater == lastWins); }

// One invocation per row.
@compute @workgroup_size(64)
fn rows(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let row = id.y * n.x * 64u + id.x;
  if (row >= OUTER * INNER) { return; }
  let first = rowStart(row);
  var best = keyAt(first);
  var winner = 0u;
  for (var k = 1u; k < SIZE; k++) {
    let v = keyAt(first + k * INNER);
    let wins = beats(v, best, true);
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
  var best = keyAt(first + winner * INNER);
  for (var k = lane + LANES; k < SIZE; k += LANES) {
    let v = keyAt(first + k * INNER);
    let wins = beats(v, best, true);
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
      if (beats(v, laneBest[lane], k > laneWinner[lane])) {
        laneBest[lane] = v;
        laneWinner[lane] = k;
      }
    }
  }
  if (lane == 0u) { y[row] = i32(laneWinner[0]); }
}
