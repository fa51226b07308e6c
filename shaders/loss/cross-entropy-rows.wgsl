// Cross-entropy of many rows or classes in three dispatches: `countRows`, then `rows` (one invocation per row) or `wideRows` (one
// workgroup per row), then `total`. Needs cross-entropy.wgsl and special-functions.wgsl.
// rowSums [N]: (w l, w where the row is correct)

@group(0) @binding(4) var<storage, read_write> rowSums: array<vec2<f32>>;
@group(0) @binding(0) var<storage, read> sums: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read> counted: array<f32>;

var<workgroup> laneBest: array<f32, LANES>;
var<workgroup> laneWinner: array<u32, LANES>;

@compute @workgroup_size(LANES)
fn countRows(@builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  one = groups.z;
  let total = countAll(lane);
  if (lane == 0u) { count[0] = total; }
}

@compute @workgroup_size(64)
fn rows(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  one = groups.z;
  let n = id.y * groups.x * 64u + id.x;
  if (n >= N) { return; }
  rowSums[n] = row(n, counted[0]);
}

@compute @workgroup_size(LANES)
fn wideRows(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
  let n = wg.y * groups.x + wg.x;
  if (n >= N) { return; }
  let first = n * C;
  var m = logits[first + min(lane, C - 1u)];
  var winner = min(lane, C - 1u);
  for (var c = lane + LANES; c < C; c += LANES) {
    let v = logits[first + c];
    let wins = !isNan(m) && (isNan(v) || v > m);
    m = select(m, v, wins);
    winner = select(winner, c, wins);
  }
  laneBest[lane] = m;
  laneWinner[lane] = winner;
  workgroupBarrier();
  m = laneBest[0];
  winner = laneWinner[0];
  for (var k = 1u; k < LANES; k++) {
    let v = laneBest[k];
    let earlier = (equals(v, m) || (isNan(v) && isNan(m))) && laneWinner[k] < winner;
    let wins = (!isNan(m) && (isNan(v) || v > m)) || earlier;
    m = select(m, v, wins);
    winner = select(winner, laneWinner[k], wins);
  }
  var own = 0.0;
  for (var c = lane; c < C; c += LANES) { own += exp(logits[first + c] - m); }
  laneCounts[lane] = own;
  workgroupBarrier();
  var s = 0.0;
  for (var k = 0u; k < LANES; k++) { s += laneCounts[k]; }
  let w = weight(n);
  let label = labels[n];
  let scale = rowScale(w, label, m, counted[0]);
  for (var c = lane; c < C; c += LANES) {
    let d = gradient(logits[first + c], m, s, i32(c) == label) * scale;
    dlogits[first + c] = select(d, 0.0, w == 0.0);
  }
  if (lane == 0u) {
    let at = first + u32(clamp(label, 0, i32(C) - 1));
    rowSums[n] = select(rowResult(w, label, logits[at], m, winner, s), vec2(0.0), w == 0.0);
  }
}

@compute @workgroup_size(LANES)
fn total(@builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  one = groups.z;
  var own = vec2(0.0);
  for (var n = lane; n < N; n += LANES) { own += sums[n]; }
  finish(lane, own, counted[0]);
}
