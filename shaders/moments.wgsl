// Statistics of x [KEPT, REDUCED] per kept position k, and the two sums that the gradient of a normalisation needs:
//   mean[k], variance[k] = mean of (x - mean)², rstd[k] = 1 / sqrt(variance + eps); with CENTRED false the mean is 0
//   sumDy[k] = sum of dy, sumDyXhat[k] = sum of dy (x - mean[k]) rstd[k]; with STATS false, sum of dy x
// Needs keptPlace, reducedPlace and their constants of reduction-functions.wgsl. Every invocation takes each PARTS-th
// element of a line; parts are joined in order (Chan, Golub, LeVeque, 1983): by `combine…` where there are several, or
// by the first lane of `…Shared`, which give a line to a workgroup of PARTS lanes.

override eps: f32;
override CENTRED: bool;
override STATS: bool;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> means: array<f32>;  // mean as an input
@group(0) @binding(3) var<storage, read> rstds: array<f32>;
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> variance: array<f32>;
@group(0) @binding(6) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(4) var<storage, read_write> sumDy: array<f32>;
@group(0) @binding(5) var<storage, read_write> sumDyXhat: array<f32>;
@group(0) @binding(7) var<storage, read_write> partial: array<vec2<f32>>;  // KEPT x PARTS
@group(0) @binding(7) var<storage, read> parts: array<vec2<f32>>;          // the same as an input

var<workgroup> lanes: array<vec2<f32>, PARTS>;

// 0 for a part beyond a line shorter than PARTS.
fn sizeOfPart(part: u32) -> u32 {
  return (REDUCED - part + PARTS - 1u) / PARTS;
}

// Rows of R2 elements are walked without dividing: integer division is dear.

// Mean of a part, and the sum of its squared distances from that.
fn momentsOf(k: u32, part: u32) -> vec2<f32> {
  let at = keptPlace(k);
  var m = 0.0;
  if (CENTRED) {
    for (var r = part; r < REDUCED;) {
      let row = at + reducedPlace(r - r % R2);
      var i = r % R2;
      r -= i;
      for (; i < R2; i += PARTS) { m += x[row + i * SR2]; }
      r += i;
    }
    m /= f32(max(sizeOfPart(part), 1u));
  }
  var squares = 0.0;
  for (var r = part; r < REDUCED;) {
    let row = at + reducedPlace(r - r % R2);
    var i = r % R2;
    r -= i;
    for (; i < R2; i += PARTS) {
      let d = x[row + i * SR2] - m;
      squares += d * d;
    }
    r += i;
  }
  return vec2(m, squares);
}

// Mean, squares and number of elements of two parts together.
fn join(all: vec3<f32>, part: vec2<f32>, size: f32) -> vec3<f32> {
  let apart = part.x - all.x;
  let share = size / (all.z + size);
  return vec3(all.x + apart * share, all.y + part.y + apart * apart * all.z * share, all.z + size);
}

fn storeMoments(k: u32, m: vec2<f32>) {
  let v = m.y / f32(REDUCED);
  mean[k] = m.x;
  variance[k] = v;
  rstd[k] = 1.0 / sqrt(v + eps);
}

@compute @workgroup_size(64)
fn moments(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
  let k = (wg.y * n.x + wg.x) * 64u + lane;
  if (k < KEPT) { storeMoments(k, momentsOf(k, 0u)); }
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
  if (k >= KEPT) { return; }
  var all = vec3(parts[k * PARTS], f32(sizeOfPart(0u)));
  for (var p = 1u; p < PARTS; p++) { all = join(all, parts[k * PARTS + p], f32(sizeOfPart(p))); }
  storeMoments(k, all.xy);
}

@compute @workgroup_size(PARTS)
fn momentsShared(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32) {
  let k = wg.y * n.x + wg.x;
  if (k >= KEPT) { return; }
  lanes[lane] = momentsOf(k, lane);
  workgroupBarrier();
  if (lane != 0u) { return; }
  var all = vec3(lanes[0], f32(sizeOfPart(0u)));
  for (var p = 1u; p < PARTS; p++) { all = join(all, lanes[p], f32(sizeOfPart(p))); }
  storeMoments(k, all.xy);
}

fn sumsOf(k: u32, part: u32) -> vec2<f32> {
  let at = keptPlace(k);
  var m = 0.0;
  var scale = 1.0;
  if (STATS) {
    m = means[k];
    scale = rstds[k];
  }
  var sums = vec2<f32>();
  for (var r = part; r < REDUCED;) {
    let row = at + reducedPlace(r - r % R2);
    var i = r % R2;
    r -= i;
    for (; i < R2; i += PARTS) {
      let e = row + i * SR2;
      sums += dy[e] * vec2(1.0, x[e] - m);
    }
    r += i;
  }
  return vec2(sums.x, sums.y * scale);
}

@compute @workgroup_size(64)
fn sums(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let k = (wg.y * n.x + wg.x) * 64u + lane;
  if (k >= KEPT) { return; }
  let s = sumsOf(k, 0u);
  sumDy[k] = s.x;
  sumDyXhat[k] = s.y;
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
  sumDy[k] = s.x;
  sumDyXhat[k] = s.y;
}

@compute @workgroup_size(PARTS)
fn sumsShared(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
  let k = wg.y * n.x + wg.x;
  if (k >= KEPT) { return; }
  lanes[lane] = sumsOf(k, lane);
  workgroupBarrier();
  if (lane != 0u) { return; }
  var s = vec2<f32>();
  for (var p = 0u; p < PARTS; p++) { s += lanes[p]; }
  sumDy[k] = s.x;
  sumDyXhat[k] = s.y;
}
