// The two sums that the gradient of a normalisation needs, per kept position k of x and dy [KEPT, REDUCED]:
//   sumDy[k] = sum of dy, sumDyXhat[k] = sum of dy (x - mean[k]) rstd[k]
// Needs line-functions.wgsl, reduction-functions.wgsl and two functions that the host writes: gradientAt(e), the unit of dy
// at element e, with zeros beside a single element, and statsOf(k), mean and rstd. Parts are added in order, by `combine`
// or by the first lane of `sumsShared`, which gives a line to a workgroup of PARTS lanes.

@group(0) @binding(1) var<storage, read_write> sumDy: array<f32>;
@group(0) @binding(2) var<storage, read_write> sumDyXhat: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec2<f32>>;  // KEPT x PARTS
@group(0) @binding(4) var<storage, read> parts: array<vec2<f32>>;          // the same as an input

var<workgroup> lanes: array<vec2<f32>, PARTS>;

fn sumsOf(k: u32, part: u32) -> vec2<f32> {
  let at = keptPlace(k);
  let ofLine = statsOf(k);
  var plain = vec4<f32>();
  var weighted = vec4<f32>();
  for (var r = part; r < REDUCED / UNIT;) {
    let first = r % (R2 / UNIT);
    let row = at + reducedPlace((r - first) * UNIT);
    var i = first;
    for (; i < R2 / UNIT; i += PARTS) {
      let e = row + i * UNIT * SR2;
      let d = gradientAt(e);
      plain += d;
      weighted += d * (valuesAt(e) - ofLine.x);
    }
    r += i - first;
  }
  return vec2(dot(plain, vec4(1.0)), dot(weighted, vec4(1.0)) * ofLine.y);
}

fn store(k: u32, s: vec2<f32>) {
  sumDy[k] = s.x;
  sumDyXhat[k] = s.y;
}

@compute @workgroup_size(64)
fn sums(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let k = (wg.y * n.x + wg.x) * 64u + lane;
  if (k < KEPT) { store(k, sumsOf(k, 0u)); }
}

@compute @workgroup_size(64)
fn sumsPart(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i < KEPT * PARTS) { partial[i] = sumsOf(i / PARTS, i % PARTS); }
}

@compute @workgroup_size(64)
fn combineSums(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
  let k = (wg.y * n.x + wg.x) * 64u + lane;
  if (k >= KEPT) { return; }
  var s = vec2<f32>();
  for (var p = 0u; p < PARTS; p++) { s += parts[k * PARTS + p]; }
  store(k, s);
}

@compute @workgroup_size(PARTS)
fn sumsShared(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
  let k = wg.y * n.x + wg.x;
  if (k >= KEPT) { return; }
  lanes[lane] = sumsOf(k, lane);
  workgroupBarrier();
  // Many lanes: a few of them add sixteen each, so that none waits for all.
  if (PARTS > 16u) {
    if (lane < PARTS / 16u) { lanes[lane * 16u] = added(lane * 16u, 16u, 1u); }
    workgroupBarrier();
  }
  if (lane > 0u) { return; }
  if (PARTS > 16u) { store(k, added(0u, PARTS / 16u, 16u)); } else { store(k, added(0u, PARTS, 1u)); }
}

fn added(first: u32, number: u32, step: u32) -> vec2<f32> {
  var s = lanes[first];
  for (var i = 1u; i < number; i++) { s += lanes[first + i * step]; }
  return s;
}
