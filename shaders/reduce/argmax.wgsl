// Where the largest element (or, if `smallest`, the smallest) of each line of x [OUTER, SIZE, INNER] is, a line being the SIZE elements INNER apart.
// y [OUTER, INNER] of 0..SIZE-1. The first of equals; NaN beats all, the first NaN of several.

override OUTER: u32;
override SIZE: u32;
override INNER: u32;
override LANES: u32;
override smallest: bool;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<i32>;

var<workgroup> laneBest: array<f32, LANES>;
var<workgroup> laneWinner: array<u32, LANES>;

fn beats(v: f32, best: f32) -> bool {
  return !isNan(best) && (isNan(v) || select(v > best, v < best, smallest));
}

fn start(line: u32) -> u32 {
  return line / INNER * (SIZE * INNER) + line % INNER;
}

// One invocation per line.
@compute @workgroup_size(64)
fn lines(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
         @builtin(local_invocation_index) lane: u32) {
  let line = (wg.y * n.x + wg.x) * 64u + lane;
  if (line >= OUTER * INNER) { return; }
  let first = start(line);
  var best = x[first];
  var winner = 0u;
  for (var k = 1u; k < SIZE; k++) {
    let v = x[first + k * INNER];
    let wins = beats(v, best);
    best = select(best, v, wins);
    winner = select(winner, k, wins);
  }
  y[line] = i32(winner);
}

// One workgroup of LANES (a power of 2) per line.
@compute @workgroup_size(LANES)
fn sharedLines(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
  let line = wg.y * n.x + wg.x;
  if (line >= OUTER * INNER) { return; }
  let first = start(line);
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
      let at = laneWinner[lane + half];
      let earlier = at < laneWinner[lane] && !beats(laneBest[lane], v);
      if (beats(v, laneBest[lane]) || earlier) {
        laneBest[lane] = v;
        laneWinner[lane] = at;
      }
    }
  }
  if (lane == 0u) { y[line] = i32(laneWinner[0]); }
}
