// Weighted mean of -log softmax(logits)[label] over N rows of C classes, with its gradient in the same pass.
//   l = log(sum of exp(logits - m)) + m - logits[label],  m the row's maximum
//   loss = sum of w l / count,  count = sum of w,  dlogits = (softmax(logits) - one(label)) w / count
// Needs special-functions.wgsl. logits, dlogits [N, C]   labels [N]   weights [N / rowsPerWeight]   loss, correct, count []
// A row of weight 0 or with the label ignoreIndex does not count, whatever it holds. Any other label outside 0 … C - 1, or logits
// that are not finite, make the row NaN.
// `single` does everything in one workgroup; cross-entropy-rows.wgsl, which appends this file, is for more rows or classes. Sums
// are added over invocations or rows in order.

override N: u32;
override C: u32;
override LANES: u32;
override ignoreIndex: i32;
override weighted: bool;
override rowsPerWeight: u32;
override logProbs: bool;  // the rows are log-probabilities already

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;
@group(0) @binding(5) var<storage, read_write> correct: array<f32>;
@group(0) @binding(6) var<storage, read_write> count: array<f32>;

var<workgroup> laneCounts: array<f32, LANES>;
var<workgroup> laneSums: array<vec2<f32>, LANES>;

// num_workgroups.z, which is 1, but compilers do not know that: they don't unroll loops whose bounds depend on it. Unrolling would
// make software adapters compile for long. Entry points set it.
var<private> one: u32;

fn weight(n: u32) -> f32 {
  if (labels[n] == ignoreIndex) { return 0.0; }
  if (!weighted) { return 1.0; }
  return weights[n / rowsPerWeight];
}

// Drivers differ in what exp makes of NaN, so NaN is selected explicitly.
fn isInvalid(label: i32, m: f32) -> bool {
  return label < 0 || label >= i32(C) || !(isFinite(m) || logProbs);
}

// w / count; NaN for an invalid label or logits that are not finite, 0 when no row counts.
fn rowScale(w: f32, label: i32, m: f32, total: f32) -> f32 {
  return select(select(w / total, 0.0, total == 0.0), nan(), isInvalid(label, m));
}

// Weighted loss and correctness of a row from its maximum m at `winner`, its sum of exponentials s and the logit x at the label.
fn rowResult(w: f32, label: i32, x: f32, m: f32, winner: u32, s: f32) -> vec2<f32> {
  let l = select(log(s) + (m - x), -x, logProbs);
  return vec2(w * select(l, nan(), isInvalid(label, m)), select(0.0, w, i32(winner) == label));
}

fn gradient(x: f32, m: f32, s: f32, hit: bool) -> f32 {
  return select(exp(x - m) / s, 0.0, logProbs) - select(0.0, 1.0, hit);
}

fn row(n: u32, total: f32) -> vec2<f32> {
  let w = weight(n);
  let first = n * C;
  let last = C * one;
  var m = logits[first];
  var winner = 0u;
  for (var c = 1u; c < last; c++) {
    let v = logits[first + c];
    let wins = !isNan(m) & (isNan(v) | (v > m));
    m = select(m, v, wins);
    winner = select(winner, c, wins);
  }
  var s = 0.0;
  for (var c = 0u; c < last; c++) { s += exp(logits[first + c] - m); }
  let label = labels[n];
  let scale = rowScale(w, label, m, total);
  for (var c = 0u; c < last; c++) {
    dlogits[first + c] = select(gradient(logits[first + c], m, s, i32(c) == label) * scale, 0.0, w == 0.0);
  }
  let at = first + u32(clamp(label, 0, i32(C) - 1));
  return select(rowResult(w, label, logits[at], m, winner, s), vec2(0.0), w == 0.0);
}

// Sum of all weights, returned to every invocation.
fn countAll(lane: u32) -> f32 {
  var own = 0.0;
  for (var n = lane; n < N; n += LANES) { own += weight(n); }
  laneCounts[lane] = own;
  workgroupBarrier();
  var total = 0.0;
  for (var k = 0u; k < LANES * one; k++) { total += laneCounts[k]; }
  return total;
}

// Adds up the sums of all invocations and writes the mean.
fn finish(lane: u32, own: vec2<f32>, total: f32) {
  laneSums[lane] = own;
  workgroupBarrier();
  if (lane != 0u) { return; }
  var sum = vec2(0.0);
  for (var k = 0u; k < LANES * one; k++) { sum += laneSums[k]; }
  loss[0] = select(sum.x / total, 0.0, total == 0.0);
  correct[0] = sum.y;
}

@compute @workgroup_size(LANES)
fn single(@builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  one = groups.z;
  let total = countAll(lane);
  var own = vec2(0.0);
  for (var n = lane; n < N; n += LANES) { own += row(n, total); }
  if (lane == 0u) { count[0] = total; }
  finish(lane, own, total);
}
