// Statistics of x [KEPT, REDUCED] per kept position k:
//   mean[k], variance[k] = mean of (x - mean)², rstd[k] = 1 / sqrt(variance + eps); with CENTRED false the mean is 0
//   `…Tracked` also moves running statistics towards them, as running-stats.wgsl does
// Every element is read once: units and parts are joined in order (Chan, Golub, LeVeque, 1983), parts by `combine…` where
// there are several, or by the first lane of `…Shared`, which give a line to a workgroup of PARTS lanes.
// Needs line-functions.wgsl and reduction-functions.wgsl.

override eps: f32;
override CENTRED: bool;
override momentum: f32;
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

// Mean, squares and number of elements of two pieces together.
fn join(all: vec3<f32>, piece: vec2<f32>, size: f32) -> vec3<f32> {
  let apart = piece.x - all.x;
  let share = size / max(all.z + size, 1.0);  // two parts beyond the line are 0, too
  return vec3(all.x + apart * share, all.y + piece.y + apart * apart * all.z * share, all.z + size);
}

// Mean of a part, and the sum of its squared distances from that.
fn momentsOf(k: u32, part: u32) -> vec2<f32> {
  let at = keptPlace(k);
  var all = vec3<f32>();
  for (var r = part; r < REDUCED / UNIT;) {
    let first = r % (R2 / UNIT);
    let row = at + reducedPlace((r - first) * UNIT);
    var i = first;
    for (; i < R2 / UNIT; i += PARTS) {
      let v = valuesAt(row + i * UNIT * SR2);
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

// What the first lane returns is right.
fn together(k: u32, lane: u32) -> vec2<f32> {
  lanes[lane] = vec3(momentsOf(k, lane), f32(sizeOfPart(lane)));
  workgroupBarrier();
  // Many lanes: a few of them join sixteen each, so that none waits for all.
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
fn moments(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
  let k = (wg.y * n.x + wg.x) * 64u + lane;
  if (k < KEPT) { store(k, momentsOf(k, 0u)); }
}

@compute @workgroup_size(64)
fn momentsTracked(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
  let k = (wg.y * n.x + wg.x) * 64u + lane;
  if (k < KEPT) { track(k, momentsOf(k, 0u)); }
}

@compute @workgroup_size(64)
fn momentsPart(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i < KEPT * PARTS) { partial[i] = momentsOf(i / PARTS, i % PARTS); }
}

@compute @workgroup_size(64)
fn combineMoments(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
  let k = (wg.y * n.x + wg.x) * 64u + lane;
  if (k < KEPT) { store(k, combined(k)); }
}

@compute @workgroup_size(64)
fn combineMomentsTracked(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                         @builtin(local_invocation_index) lane: u32) {
  let k = (wg.y * n.x + wg.x) * 64u + lane;
  if (k < KEPT) { track(k, combined(k)); }
}

@compute @workgroup_size(PARTS)
fn momentsShared(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32) {
  let k = wg.y * n.x + wg.x;
  if (k >= KEPT) { return; }
  let m = together(k, lane);
  if (lane == 0u) { store(k, m); }
}

@compute @workgroup_size(PARTS)
fn momentsTrackedShared(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                        @builtin(local_invocation_index) lane: u32) {
  let k = wg.y * n.x + wg.x;
  if (k >= KEPT) { return; }
  let m = together(k, lane);
  if (lane == 0u) { track(k, m); }
}
