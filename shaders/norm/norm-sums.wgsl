// The two sums that the gradient of a normalisation needs, for each row of x and dy, a row being the REDUCED elements of one kept
// position k:  sumDy[k] = sum of dy,  sumDyXhat[k] = sum of dy (x - mean[k]) rstd[k]
// Needs row-functions.wgsl, reduction-functions.wgsl and two functions that src/kernels/norm/norm-sums.ts generates: gradientAt(e),
// the unit of dy at element e, and statsOf(k), mean and rstd. Parts of a row are added in order, by `combineSums` or by the first
// invocation of `sumsShared`, which gives a row to a workgroup of PARTS invocations.

@group(0) @binding(1) var<storage, read_write> sumDy: array<f32>;
@group(0) @binding(2) var<storage, read_write> sumDyXhat: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec2<f32>>;  // KEPT x PARTS
@group(0) @binding(4) var<storage, read> parts: array<vec2<f32>>;          // the same as an input

var<workgroup> lanes: array<vec2<f32>, PARTS>;

fn sumsOf(k: u32, part: u32) -> vec2<f32> {
  let at = keptIndex(k);
  let stats = statsOf(k);
  var plain = vec4<f32>();
  var weighted = vec4<f32>();
  for (var r = part; r < REDUCED / UNIT;) {
    let first = r % (R2 / UNIT);
    let run = at + reducedIndex((r - first) * UNIT);
    var i = first;
    for (; i < R2 / UNIT; i += PARTS) {
      let e = run + i * UNIT * SR2;
      let d = gradientAt(e);
      plain += d;
      weighted += d * (valuesAt(e) - stats.x);
    }
    r += i - first;
  }
  return vec2(dot(plain, vec4(1.0)), dot(weighted, vec4(1.0)) * stats.y);
}

fn store(k: u32, s: vec2<f32>) {
  sumDy[k] = s.x;
  sumDyXhat[k] = s.y;
}

@compute @workgroup_size(64)
fn sums(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let k = id.y * n.x * 64u + id.x;
  if (k < KEPT) { store(k, sumsOf(k, 0u)); }
}

@compute @workgroup_size(64)
fn sumsPart(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i < KEPT * PARTS) { partial[i] = sumsOf(i / PARTS, i % PARTS); }
}

@compute @workgroup_size(64)
fn combineSums(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let k = id.y * n.x * 64u + id.x;
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
  // Of many, a few invocations add sixteen each, so that no invocation adds all of them alone.
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
