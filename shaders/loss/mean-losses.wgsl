// Weighted mean over N samples of ROW elements each of a loss per element, with its gradient in the same pass.
//   loss = sum of w l / (ROW count),  count = sum of w,  dx = w dl/dx / (ROW count)
// Needs special-functions.wgsl and math-functions.wgsl. x, goal, dx [N, ROW]   weights [N]   loss, count []   partial [PARTS]
// `single` does everything in one workgroup. For more elements: `countRows`, `parts` (each invocation takes every PARTS-th element)
// and `total`. A sample of weight 0 does not count, whatever it holds.

override N: u32;
override ROW: u32;
override LANES: u32;
override PARTS: u32;
override KIND: u32;  // 0: squared difference, 1: binary cross-entropy of probabilities, 2: of logits
override weighted: bool;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> goal: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;
@group(0) @binding(5) var<storage, read_write> count: array<f32>;

@group(0) @binding(4) var<storage, read_write> partial: array<f32>;
@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(5) var<storage, read> counted: array<f32>;

var<workgroup> lanes: array<f32, LANES>;
var<workgroup> laneCounts: array<f32, LANES>;

// log, at least -100 as in PyTorch: a wrong probability of 0 or 1 then has a finite loss.
fn clampedLog(v: f32) -> f32 {
  return select(max(log(v), -100.0), -100.0, v <= 0.0);
}

// Loss of one element and its derivative. Both are NaN for a probability outside [0, 1].
fn item(v: f32, t: f32) -> vec2<f32> {
  if (KIND == 0u) {
    let d = v - t;
    return vec2(d * d, 2.0 * d);
  }
  if (KIND == 1u) {
    let l = -(t * clampedLog(v) + (1.0 - t) * clampedLog(1.0 - v));
    return select(vec2(nan()), vec2(l, (v - t) / max(v * (1.0 - v), 1e-12)), isProbability(v));
  }
  let l = max(v, 0.0) - v * t + log1pOf(exp(-abs(v)));
  return vec2(select(l, v, isNan(v)), sigmoidOf(v) - t);
}

// Writes the gradient of element i and returns its weighted loss.
fn element(i: u32, total: f32) -> f32 {
  var w = 1.0;
  if (weighted) { w = weights[i / ROW]; }
  let both = item(x[i], goal[i]);
  let scale = w / (total * f32(ROW));
  dx[i] = select(both.y * scale, 0.0, w == 0.0 || total == 0.0);
  return select(both.x * w, 0.0, w == 0.0);
}

// Sum of all weights, returned to every invocation.
fn countAll(lane: u32) -> f32 {
  if (!weighted) { return f32(N); }
  var own = 0.0;
  for (var n = lane; n < N; n += LANES) { own += weights[n]; }
  laneCounts[lane] = own;
  workgroupBarrier();
  var sum = 0.0;
  for (var k = 0u; k < LANES; k++) { sum += laneCounts[k]; }
  return sum;
}

// Adds up the sums of all invocations and writes the mean.
fn finish(lane: u32, own: f32, total: f32) {
  lanes[lane] = own;
  workgroupBarrier();
  if (lane != 0u) { return; }
  var sum = 0.0;
  for (var k = 0u; k < LANES; k++) { sum += lanes[k]; }
  loss[0] = select(sum / (total * f32(ROW)), 0.0, total == 0.0);
}

@compute @workgroup_size(LANES)
fn single(@builtin(local_invocation_index) lane: u32) {
  let total = countAll(lane);
  var own = 0.0;
  for (var i = lane; i < N * ROW; i += LANES) { own += element(i, total); }
  if (lane == 0u) { count[0] = total; }
  finish(lane, own, total);
}

@compute @workgroup_size(LANES)
fn countRows(@builtin(local_invocation_index) lane: u32) {
  let total = countAll(lane);
  if (lane == 0u) { count[0] = total; }
}

@compute @workgroup_size(64)
fn parts(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let part = wg.x * 64u + lane;
  if (part >= PARTS) { return; }
  let total = counted[0];
  var own = 0.0;
  for (var i = part; i < N * ROW; i += PARTS) { own += element(i, total); }
  partial[part] = own;
}

@compute @workgroup_size(LANES)
fn total(@builtin(local_invocation_index) lane: u32) {
  var own = 0.0;
  for (var k = lane; k < PARTS; k += LANES) { own += partials[k]; }
  finish(lane, own, counted[0]);
}
