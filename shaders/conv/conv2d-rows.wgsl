// Convolutions at stride 1 into few channels, with kernels up to 5 wide, for adapters where loads are dear and lanes run
// in lockstep: 8 places of a row and 6 channels of y per lane, in registers. All lanes have the same channels; the lanes
// of a quad load taps for each other.
// x [N, C, H, W], w [O, C, KH, KW], b [O], y [N, O, OH, OW]. The gradient of an input is the same of dy, with kernels
// TURNED: w [C, O, KH, KW], read backwards.
enable subgroups;

override N: u32;
override C: u32;
override H: u32;
override W: u32;
override O: u32;
override KH: u32;
override KW: u32;
override OH: u32;
override OW: u32;
override padTop: u32;
override padLeft: u32;
override BIAS: bool;
override TURNED: bool;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

const STEPS = vec4<u32>(0u, 1u, 2u, 3u);

// What the four lanes of the quad hold.
fn spread(v: f32) -> vec4<f32> {
  return vec4(quadBroadcast(v, 0u), quadBroadcast(v, 1u), quadBroadcast(v, 2u), quadBroadcast(v, 3u));
}

// Tap `column` of row k % KH of channel k / KH for channel o of y; the last again for those over the edge.
fn tap(o: u32, k: u32, column: u32) -> f32 {
  let oc = min(o, O - 1u);
  let kx = min(column, KW - 1u);
  let at = ((oc * C + k / KH) * KH + k % KH) * KW + kx;
  let turned = ((k / KH * O + oc) * KH + KH - 1u - k % KH) * KW + KW - 1u - kx;
  return w[select(at, turned, TURNED)];
}

// Above or left of the input the unsigned row and column have wrapped round to something huge.
fn pixels(plane: u32, row: u32, column: u32) -> vec4<f32> {
  let columns = column + STEPS;
  let at = plane + row * W + columns;
  return select(vec4<f32>(), vec4(x[at.x], x[at.y], x[at.z], x[at.w]), (columns < vec4(W)) & vec4(row < H));
}

// What the sums of channel o begin with.
fn bias(o: u32) -> mat2x4<f32> {
  if (!BIAS) { return mat2x4<f32>(); }
  let v = vec4(b[min(o, O - 1u)]);
  return mat2x4(v, v);
}

// The pixels p, q under the first four taps of a row of the kernel, for four places.
fn under(p: vec4<f32>, q: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(p, vec4(p.yzw, q.x), vec4(p.zw, q.xy), vec4(p.w, q.xyz));
}

// The sum over a row of taps at four places. Narrow kernels leave pixels out: times 0, NaN would reach places beside it.
fn sum(p: vec4<f32>, q: vec4<f32>, taps: vec4<f32>, fifth: f32) -> vec4<f32> {
  if (KW == 5u) { return under(p, q) * taps + q * fifth; }
  let u = under(p, q);
  var s = u[0] * taps.x;
  if (KW > 1u) { s += u[1] * taps.y; }
  if (KW > 2u) { s += u[2] * taps.z; }
  if (KW > 3u) { s += u[3] * taps.w; }
  return s;
}

// At eight places, over pixels p, q and r.
fn sums(p: vec4<f32>, q: vec4<f32>, r: vec4<f32>, taps: vec4<f32>, fifth: f32) -> mat2x4<f32> {
  return mat2x4(sum(p, q, taps, fifth), sum(q, r, taps, fifth));
}

@compute @workgroup_size(32)
fn rows(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) sid: u32) {
  let s = sid % 4u;
  let strips = (OW + 7u) / 8u;
  let tiles = (strips * OH * N + 31u) / 32u;
  let tile = wg.y * groups.x + wg.x;
  let strip = tile % tiles * 32u + lane;
  let left = strip % strips * 8u;
  let top = strip / strips % OH;
  let n = strip / (strips * OH);
  let o = tile / tiles * 6u;
  var t0 = bias(o);
  var t1 = bias(o + 1u);
  var t2 = bias(o + 2u);
  var t3 = bias(o + 3u);
  var t4 = bias(o + 4u);
  var t5 = bias(o + 5u);
  // num_workgroups.z is 1, which compilers do not know: unrolled, the loop takes CPU adapters seconds to compile.
  for (var k = 0u; k < C * KH * groups.z; k++) {
    let plane = (min(n, N - 1u) * C + k / KH) * (H * W);
    let row = top + k % KH - padTop;
    let p = pixels(plane, row, left - padLeft);
    let q = pixels(plane, row, left + 4u - padLeft);
    let r = pixels(plane, row, left + 8u - padLeft);
    let fifth = spread(tap(o + s, k, 4u));
    let sixth = spread(tap(o + 4u + s % 2u, k, 4u));
    t0 += sums(p, q, r, spread(tap(o, k, s)), fifth.x);
    t1 += sums(p, q, r, spread(tap(o + 1u, k, s)), fifth.y);
    t2 += sums(p, q, r, spread(tap(o + 2u, k, s)), fifth.z);
    t3 += sums(p, q, r, spread(tap(o + 3u, k, s)), fifth.w);
    t4 += sums(p, q, r, spread(tap(o + 4u, k, s)), sixth.x);
    t5 += sums(p, q, r, spread(tap(o + 5u, k, s)), sixth.y);
  }
  var t = array<mat2x4<f32>, 6>(t0, t1, t2, t3, t4, t5);
  for (var e = 0u; e < 12u * groups.z; e++) {
    let v = t[e / 2u][e % 2u];
    let to = o + e / 2u;
    let column = left + e % 2u * 4u;
    let at = ((n * O + to) * OH + top) * OW + column;
    if ((to < O) & (n < N)) {
      if (column < OW) { y[at] = v.x; }
      if (column + 1u < OW) { y[at + 1u] = v.y; }
      if (column + 2u < OW) { y[at + 2u] = v.z; }
      if (column + 3u < OW) { y[at + 3u] = v.w; }
    }
  }
}
