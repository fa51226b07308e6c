// Convolution blocks with kernels of 5 x 5 at stride 1 and windows of 2 x 2, for adapters where loads are dear and
// lanes run in lockstep. The lanes of a quad load for each other; sums stay in registers. Everything is in blocks of
// 2 x 2, (top left, top right, bottom left, bottom right): windows of places, blocks of pixels.
// x [N, C, H, W], w [O, C, 5, 5], b [O], y, dy and code [N, O, PH, PW].
enable subgroups;

override N: u32;
override C: u32;
override H: u32;
override W: u32;
override O: u32;
override PH: u32;
override PW: u32;
override padTop: u32;
override padLeft: u32;
override BIAS: bool;
override PADDED: bool;  // any pixel of any window lies outside the input

const NONE = 0xffffffffu;
const STEPS = vec4<u32>(0u, 1u, 2u, 3u);

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> code: array<u32>;

// What the four lanes of the quad hold.
fn spread(v: f32) -> vec4<f32> {
  return vec4(quadBroadcast(v, 0u), quadBroadcast(v, 1u), quadBroadcast(v, 2u), quadBroadcast(v, 3u));
}

// Above or left of the input the unsigned row and column have wrapped round to something huge.
fn pixel(plane: u32, row: u32, column: u32) -> f32 {
  let v = x[plane + row * W + column];
  return select(v, 0.0, PADDED & ((row >= H) | (column >= W)));
}

fn block(plane: u32, row: u32, column: u32) -> vec4<f32> {
  return vec4(pixel(plane, row, column), pixel(plane, row, column + 1u),
              pixel(plane, row + 1u, column), pixel(plane, row + 1u, column + 1u));
}

// Of two blocks side by side the block in the middle.
fn between(left: vec4<f32>, right: vec4<f32>) -> vec4<f32> {
  return vec4(left.y, right.x, left.w, right.z);
}

// The pixels under the first four taps of a row of the kernel, for the places of the window at p; those under the fifth
// are r.
fn under(p: vec4<f32>, q: vec4<f32>, r: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(p, between(p, q), q, between(q, r));
}

// What the sums of channel o begin with.
fn bias(o: u32) -> vec4<f32> {
  if (BIAS) { return vec4(b[min(o, O - 1u)]); }
  return vec4<f32>();
}

// By its bits: compilers take `v != v` to be false.
fn isNan(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

fn put(n: u32, o: u32, py: u32, px: u32, sum: vec4<f32>) {
  if ((o < O) & (px < PW) & (n < N)) {
    let r = select(sum, vec4<f32>(), sum <= vec4<f32>());
    let best = max(max(r.x, r.y), max(r.z, r.w));
    // A NaN beats everything, and only a NaN makes the sum of relus one.
    let all = r.x + r.y + r.z + r.w;
    let at = ((n * O + o) * PH + py) * PW + px;
    let position = select(select(select(3u, 2u, r.z == best), 1u, r.y == best), 0u, r.x == best);
    y[at] = select(best, all, isNan(all));
    code[at] = select(NONE, position, (best > 0.0) & !isNan(all));
  }
}

// 5 windows side by side and 4 channels per lane; the quad has 16 channels and shares the pixels.
@compute @workgroup_size(64)
fn forwardWide(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
               @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) sid: u32) {
  let s = sid % 4u;
  let strips = (PW + 4u) / 5u;
  let strip = (wg.y * num.x + wg.x) * 16u + lane / 4u;
  let px = strip % strips * 5u;
  let py = strip / strips % PH;
  let n = strip / (strips * PH) % N;
  let o = (strip / (strips * PH * N) * 4u + s) * 4u;
  let column = px * 2u + s % 2u - padLeft;
  let first = min(o + STEPS, vec4(O - 1u)) * (C * 25u);
  let begin = mat4x4(bias(o), bias(o + 1u), bias(o + 2u), bias(o + 3u));
  var t0 = begin;
  var t1 = begin;
  var t2 = begin;
  var t3 = begin;
  var t4 = begin;
  for (var k = 0u; k < C * 5u; k++) {
    let plane = (n * C + k / 5u) * (H * W);
    let row = py * 2u + k % 5u + s / 2u - padTop;
    let p0 = spread(pixel(plane, row, column));
    let p1 = spread(pixel(plane, row, column + 2u));
    let p2 = spread(pixel(plane, row, column + 4u));
    let p3 = spread(pixel(plane, row, column + 6u));
    let p4 = spread(pixel(plane, row, column + 8u));
    let p5 = spread(pixel(plane, row, column + 10u));
    let p6 = spread(pixel(plane, row, column + 12u));
    let f = first + k * 5u;
    let k0 = vec4(w[f.x], w[f.x + 1u], w[f.x + 2u], w[f.x + 3u]);
    let k1 = vec4(w[f.y], w[f.y + 1u], w[f.y + 2u], w[f.y + 3u]);
    let k2 = vec4(w[f.z], w[f.z + 1u], w[f.z + 2u], w[f.z + 3u]);
    let k3 = vec4(w[f.w], w[f.w + 1u], w[f.w + 2u], w[f.w + 3u]);
    let fifth = vec4(w[f.x + 4u], w[f.y + 4u], w[f.z + 4u], w[f.w + 4u]);
    let taps = mat4x4(k0, k1, k2, k3);
    t0 += sums(under(p0, p1, p2), taps, p2, fifth);
    t1 += sums(under(p1, p2, p3), taps, p3, fifth);
    t2 += sums(under(p2, p3, p4), taps, p4, fifth);
    t3 += sums(under(p3, p4, p5), taps, p5, fifth);
    t4 += sums(under(p4, p5, p6), taps, p6, fifth);
  }
  var t = array<mat4x4<f32>, 5>(t0, t1, t2, t3, t4);
  for (var e = 0u; e < hidden(20u); e++) { put(n, o + e % 4u, py, px + e / 4u, t[e / 4u][e % 4u]); }
}

// Per channel, one column each: the sum over a row of taps at the places of a window.
fn sums(pixels: mat4x4<f32>, taps: mat4x4<f32>, last: vec4<f32>, fifth: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(pixels * taps[0] + last * fifth.x, pixels * taps[1] + last * fifth.y,
                pixels * taps[2] + last * fifth.z, pixels * taps[3] + last * fifth.w);
}

fn sums3(pixels: mat4x4<f32>, taps: mat3x4<f32>, last: vec4<f32>, fifth: vec3<f32>) -> mat3x4<f32> {
  return mat3x4(pixels * taps[0] + last * fifth.x, pixels * taps[1] + last * fifth.y,
                pixels * taps[2] + last * fifth.z);
}

// Keeps compilers from unrolling a loop that writes results: each copy of a store costs them more than it saves.
fn hidden(count: u32) -> u32 {
  return min(count, arrayLength(&y));
}

// 7 windows side by side and 6 channels per lane; all lanes have the same channels and share the taps.
@compute @workgroup_size(64)
fn forwardNarrow(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) sid: u32) {
  let s = sid % 4u;
  let strips = (PW + 6u) / 7u;
  let tiles = (strips * PH * N + 63u) / 64u;
  let tile = wg.y * num.x + wg.x;
  let strip = tile % tiles * 64u + lane;
  let px = strip % strips * 7u;
  let py = strip / strips % PH;
  let n = strip / (strips * PH);
  let o = tile / tiles * 6u;
  let column = px * 2u - padLeft;
  let beginA = mat3x4(bias(o), bias(o + 1u), bias(o + 2u));
  let beginC = mat3x4(bias(o + 3u), bias(o + 4u), bias(o + 5u));
  var t0 = beginA;
  var t1 = beginA;
  var t2 = beginA;
  var t3 = beginA;
  var t4 = beginA;
  var t5 = beginA;
  var t6 = beginA;
  var t7 = beginC;
  var t8 = beginC;
  var t9 = beginC;
  var t10 = beginC;
  var t11 = beginC;
  var t12 = beginC;
  var t13 = beginC;
  for (var k = 0u; k < C * 5u; k++) {
    let plane = (n * C + k / 5u) * (H * W);
    let row = py * 2u + k % 5u - padTop;
    let p0 = block(plane, row, column);
    let p1 = block(plane, row, column + 2u);
    let p2 = block(plane, row, column + 4u);
    let p3 = block(plane, row, column + 6u);
    let p4 = block(plane, row, column + 8u);
    let p5 = block(plane, row, column + 10u);
    let p6 = block(plane, row, column + 12u);
    let p7 = block(plane, row, column + 14u);
    let p8 = block(plane, row, column + 16u);
    let a = mat3x4(spread(tap(o, k, s)), spread(tap(o + 1u, k, s)), spread(tap(o + 2u, k, s)));
    let c = mat3x4(spread(tap(o + 3u, k, s)), spread(tap(o + 4u, k, s)), spread(tap(o + 5u, k, s)));
    let fifth = spread(tap(o + s, k, 4u));
    let sixth = spread(tap(o + 4u + s % 2u, k, 4u));
    let af = fifth.xyz;
    let cf = vec3(fifth.w, sixth.xy);
    t0 += sums3(under(p0, p1, p2), a, p2, af);
    t1 += sums3(under(p1, p2, p3), a, p3, af);
    t2 += sums3(under(p2, p3, p4), a, p4, af);
    t3 += sums3(under(p3, p4, p5), a, p5, af);
    t4 += sums3(under(p4, p5, p6), a, p6, af);
    t5 += sums3(under(p5, p6, p7), a, p7, af);
    t6 += sums3(under(p6, p7, p8), a, p8, af);
    t7 += sums3(under(p0, p1, p2), c, p2, cf);
    t8 += sums3(under(p1, p2, p3), c, p3, cf);
    t9 += sums3(under(p2, p3, p4), c, p4, cf);
    t10 += sums3(under(p3, p4, p5), c, p5, cf);
    t11 += sums3(under(p4, p5, p6), c, p6, cf);
    t12 += sums3(under(p5, p6, p7), c, p7, cf);
    t13 += sums3(under(p6, p7, p8), c, p8, cf);
  }
  var t = array<mat3x4<f32>, 14>(t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13);
  for (var e = 0u; e < hidden(42u); e++) {
    let j = e / 3u;
    put(n, o + j / 7u * 3u + e % 3u, py, px + j % 7u, t[j][e % 3u]);
  }
}

// Tap `column` of row k % 5 of channel k / 5 of output channel o; the last o again for those over the edge.
fn tap(o: u32, k: u32, column: u32) -> f32 {
  return w[min(o, O - 1u) * (C * 25u) + k * 5u + column];
}
