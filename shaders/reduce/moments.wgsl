// Statistics of each row of x, a row being the REDUCED elements of one kept position k:
//   mean[k], variance[k] = mean of (x - mean)², rstd[k] = 1 / sqrt(variance + eps); without CENTRED the mean is 0
// Entry points named `…Tracked…` also update running statistics, as running-stats.wgsl does.
// Needs row-functions.wgsl and reduction-functions.wgsl. Every element is read once: moments of units and of parts are joined in
// order (Chan, Golub, LeVeque, 1983). Parts are joined by `combine…`, or by the first invocation of `…Shared`, which gives a row to
// a workgroup of PARTS invocations.

override eps: f32;
override CENTRED: bool;
override momentum: f32;  // of the running statistics
override unbias: f32;  // n / (n - 1)

@group(0) @binding(1) var<storage, read_write> mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> variance: array<f32>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(4) var<storage, read_write> partial: array<vec2<f32>>;  // KEPT x PARTS
@group(0) @binding(5) var<storage, read> parts: array<vec2<f32>>;          // the same as an input
@group(0) @binding(6) var<storage, read_write> runningMean: array<f32>;
@group(0) @binding(7) var<storage, read_write> runningVar: array<f32>;
@group(0) @binding(8) var<storage, read_write> count: array<i32>;

var<workgroup> lanes: array<vec3<f32>, PARTS>;

// Mean, sum of squared distances and number of elements of two sets together.
fn join(all: vec3<f32>, piece: vec2<f32>, size: f32) -> vec3<f32> {
  let distance = piece.x - all.x;
  let share = size / max(all.z + size, 1.0);  // two parts that the row does not reach have no elements
  return vec3(all.x + distance * share, all.y + piece.y + distance * distance * all.z * share, all.z + size);
}

// Mean of a part of a row, and the sum of squared distances from it.
fn momentsOf(k: u32, part: u32) -> vec2<f32> {
  let at = keptIndex(k);
  var all = vec3<f32>();
  for (var r = part; r < REDUCED / UNIT;) {
    let first = r % (R2 / UNIT);
    let run = at + reducedIndex((r - first) * UNIT);
    var i = first;
    for (; i < R2 / UNIT; i += PARTS) {
      let v = valuesAt(run + i * UNIT * SR2);
      if (CENTRED) {
        let middle = dot(v, vec4(1.0)) / f32(UNIT);
        let d = select(vec4(0.0), v - middle, UNIT == 4u);
        all = join(all, vec2(middle, dot(d, d)), f32(UNIT));
      } else { all.y += dot(v, v); }
    }
    r += i - first;
  }
  return all.xy;
}

fn combined(k: u32) -> vec2<f32> {
  var all = vec3(parts[k * PARTS], f32(sizeOfPart(0u)));
  for (var p = 1u; p < PARTS; p++) { all = join(all, parts[k * PARTS + p], f32(sizeOfPart(p))); }
  return all.xy;
}

// Moments of a row by a whole workgroup; only the first invocation returns them.
fn sharedMoments(k: u32, lane: u32) -> vec2<f32> {
  lanes[lane] = vec3(momentsOf(k, lane), f32(sizeOfPart(lane)));
  workgroupBarrier();
  // Of many, a few invocations join sixteen each, so that no invocation joins all of them alone.
  if (PARTS > 16u) {
    if (lane < PARTS / 16u) { lanes[lane * 16u] = joined(lane * 16u, 16u, 1u); }
    workgroupBarrier();
  }
  if (lane > 0u) { return vec2<f32>(); }
  if (PARTS > 16u) { return joined(0u, PARTS / 16u, 16u).xy; }
  return joined(0u, PARTS, 1u).xy;
}

fn joined(first: u32, number: u32, step: u32) -> vec3<f32> {
  var all = lanes[first];
  for (var i = 1u; i < number; i++) {
    let piece = lanes[first + i * step];
    all = join(all, piece.xy, piece.z);
  }
  return all;
}

fn store(k: u32, m: vec2<f32>) {
  let v = m.y / f32(REDUCED);
  mean[k] = m.x;
  variance[k] = v;
  rstd[k] = 1.0 / sqrt(v + eps);
}

fn track(k: u32, m: vec2<f32>) {
  store(k, m);
  runningMean[k] = (1.0 - momentum) * runningMean[k] + momentum * m.x;
  runningVar[k] = (1.0 - momentum) * runningVar[k] + momentum * (m.y / f32(REDUCED) * unbias);
  if (k == 0u) { count[0] += 1; }
}

@compute @workgroup_size(64)
fn moments(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let k = id.y * n.x * 64u + id.x;
  if (k < KEPT) { store(k, momentsOf(k, 0u)); }
}

@compute @workgroup_size(64)
fn momentsTracked(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let k = id.y * n.x * 64u + id.x;
  if (k < KEPT) { track(k, momentsOf(k, 0u)); }
}

@compute @workgroup_size(64)
fn momentsPart(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i < KEPT * PARTS) { partial[i] = momentsOf(i / PARTS, i % PARTS); }
}

@compute @workgroup_size(64)
fn combineMoments(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let k = id.y * n.x * 64u + id.x;
  if (k < KEPT) { store(k, combined(k)); }
}

@compute @workgroup_size(64)
fn combineMomentsTracked(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let k = id.y * n.x * 64u + id.x;
  if (k < KEPT) { track(k, combined(k)); }
}

@compute @workgroup_size(PARTS)
fn momentsShared(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32) {
  let k = wg.y * n.x + wg.x;
  if (k >= KEPT) { return; }
  let m = sharedMoments(k, lane);
  if (lane == 0u) { store(k, m); }
}

@compute @workgroup_size(PARTS)
fn momentsTrackedShared(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                        @builtin(local_invocation_index) lane: u32) {
  let k = wg.y * n.x + wg.x;
  if (k >= KEPT) { return; }
  let m = sharedMoments(k, lane);
  if (lane == 0u) { track(k, m); }
}
