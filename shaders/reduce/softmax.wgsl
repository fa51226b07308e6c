// softmax and logSoftmax of each row, and their gradients.
//   y = exp(x - m) / s  or  y = x - m - log(s),   m the row's maximum, s = sum of exp(x - m)
//   dx = y (dy - sum of dy y)  or  dx = dy - exp(y) sum of dy
// Needs axis-functions.wgsl and special-functions.wgsl. All tensors are [OUTER, SIZE, INNER].
// Entry points `…Rows`: one invocation per row; `…Vectors`: the same with four elements at a time, for INNER = 1 and SIZE a
// multiple of 4; `…Shared`: one workgroup per row.

override LANES: u32;  // invocations per workgroup of Vectors and Shared; a power of 2
override isLog: bool;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(0) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<storage, read_write> y4: array<vec4<f32>>;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> out: array<f32>;  // y as an input
@group(0) @binding(0) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> out4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> dx: array<f32>;
@group(0) @binding(1) var<storage, read_write> dx4: array<vec4<f32>>;

var<workgroup> lanes: array<f32, LANES>;

// What a row is divided by, or the logarithm of that. NaN where the maximum is not finite: drivers differ in what exp and log make
// of NaN and infinities, so it is not left to them.
fn norm(s: f32, m: f32) -> f32 {
  return select(nan(), select(s, log(s), isLog), isFinite(m));
}

fn value(v: f32, m: f32, norm: f32) -> f32 {
  if (isLog) { return (v - m) - norm; }
  return exp(v - m) / norm;
}

fn term(at: u32) -> f32 {
  if (isLog) { return dy[at]; }
  return dy[at] * out[at];
}

// A row of NaN has a gradient of NaN, selected explicitly for the same reason.
fn gradient(at: u32, sum: f32) -> f32 {
  if (isLog) { return select(dy[at] - exp(out[at]) * sum, out[at], isNan(out[at])); }
  return out[at] * (dy[at] - sum);
}

@compute @workgroup_size(64)
fn forwardRows(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let row = id.y * n.x * 64u + id.x;
  if (row >= OUTER * INNER) { return; }
  let first = rowStart(row);
  let end = first + SIZE * INNER;
  var m = x[first];
  for (var at = first + INNER; at < end; at += INNER) { m = larger(m, x[at]); }
  var s = 0.0;
  for (var at = first; at < end; at += INNER) { s += exp(x[at] - m); }
  s = norm(s, m);
  for (var at = first; at < end; at += INNER) { y[at] = value(x[at], m, s); }
}

@compute @workgroup_size(64)
fn backwardRows(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let row = id.y * n.x * 64u + id.x;
  if (row >= OUTER * INNER) { return; }
  let first = rowStart(row);
  let end = first + SIZE * INNER;
  var sum = 0.0;
  for (var at = first; at < end; at += INNER) { sum += term(at); }
  for (var at = first; at < end; at += INNER) { dx[at] = gradient(at, sum); }
}

@compute @workgroup_size(LANES)
fn forwardVectors(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
  let row = (wg.y * n.x + wg.x) * LANES + lane;
  if (row >= OUTER) { return; }
  let first = row * (SIZE / 4u);
  let end = first + SIZE / 4u;
  var most = x4[first];
  for (var at = first + 1u; at < end; at++) {
    let v = x4[at];
    most = select(most, v, ((v > most) & !isNan4(most)) | isNan4(v));
  }
  let m = larger(larger(most.x, most.y), larger(most.z, most.w));
  var sums = vec4<f32>();
  for (var at = first; at < end; at++) { sums += exp(x4[at] - m); }
  let s = norm((sums.x + sums.y) + (sums.z + sums.w), m);
  for (var at = first; at < end; at++) {
    let v = x4[at] - m;
    if (isLog) { y4[at] = v - s; } else { y4[at] = exp(v) / s; }
  }
}

@compute @workgroup_size(LANES)
fn backwardVectors(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
  let row = (wg.y * n.x + wg.x) * LANES + lane;
  if (row >= OUTER) { return; }
  let first = row * (SIZE / 4u);
  let end = first + SIZE / 4u;
  var sums = vec4<f32>();
  for (var at = first; at < end; at++) {
    if (isLog) { sums += dy4[at]; } else { sums += dy4[at] * out4[at]; }
  }
  let sum = (sums.x + sums.y) + (sums.z + sums.w);
  for (var at = first; at < end; at++) {
    let d = dy4[at];
    let v = out4[at];
    if (isLog) { dx4[at] = select(d - exp(v) * sum, v, isNan4(v)); } else { dx4[at] = v * (d - sum); }
  }
}

fn maxOfLanes(lane: u32, own: f32) -> f32 {
  lanes[lane] = own;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { lanes[lane] = larger(lanes[lane], lanes[lane + half]); }
  }
  return broadcastFirst();
}

fn sumOfLanes(lane: u32, own: f32) -> f32 {
  lanes[lane] = own;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { lanes[lane] += lanes[lane + half]; }
  }
  return broadcastFirst();
}

// lanes[0], after which `lanes` may be written again.
fn broadcastFirst() -> f32 {
  workgroupBarrier();
  let first = lanes[0];
  workgroupBarrier();
  return first;
}

@compute @workgroup_size(LANES)
fn forwardShared(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32) {
  let row = wg.y * n.x + wg.x;
  if (row >= OUTER * INNER) { return; }
  let first = rowStart(row);
  let own = first + lane * INNER;
  let end = first + SIZE * INNER;
  var m = x[first];
  for (var at = own; at < end; at += LANES * INNER) { m = larger(m, x[at]); }
  m = maxOfLanes(lane, m);
  var s = 0.0;
  for (var at = own; at < end; at += LANES * INNER) { s += exp(x[at] - m); }
  s = norm(sumOfLanes(lane, s), m);
  for (var at = own; at < end; at += LANES * INNER) { y[at] = value(x[at], m, s); }
}

@compute @workgroup_size(LANES)
fn backwardShared(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
  let row = wg.y * n.x + wg.x;
  if (row >= OUTER * INNER) { return; }
  let first = rowStart(row);
  let own = first + lane * INNER;
  let end = first + SIZE * INNER;
  var sum = 0.0;
  for (var at = own; at < end; at += LANES * INNER) { sum += term(at); }
  sum = sumOfLanes(lane, sum);
  for (var at = own; at < end; at += LANES * INNER) { dx[at] = gradient(at, sum); }
}
