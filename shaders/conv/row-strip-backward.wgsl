// Both gradients of row-strip.wgsl in one dispatch. The gradient of a window's four sums is dy at the position that won the
// window (its argmax index is in code), zero at the others. Needs row-strip-fragment.wgsl.

override UNCHECKED: bool;  // 16 images per workgroup and 5 windows per row: the input gradient's strips reach no others

struct Sizes {
  N: u32,
  C: u32,
  H: u32,
  W: u32,
  O: u32,
  PH: u32,
  PW: u32,
  padTop: u32,
  padLeft: u32,
  CHUNK: u32,         // windows per part of the weight gradient
  PARTS: u32,
  INPUT_GROUPS: u32,  // workgroups that compute the input gradient, which come first
  IMAGES: u32,        // per workgroup of those: 1, 2, 4, 8 or 16
}
@group(0) @binding(7) var<uniform> sizes: Sizes;

const NONE = 0xffffffffu;
const STEPS = vec4<u32>(0u, 1u, 2u, 3u);

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> code: array<u32>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;
@group(0) @binding(4) var<storage, read> w: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

// What the four lanes of the quad hold.
fn spread(v: f32) -> vec4<f32> {
  return vec4(quadBroadcast(v, 0u), quadBroadcast(v, 1u), quadBroadcast(v, 2u), quadBroadcast(v, 3u));
}

// Of two blocks one above the other the block in the middle.
fn amid(above: vec4<f32>, below: vec4<f32>) -> vec4<f32> {
  return vec4(above.zw, below.xy);
}

// Of the four sums of window `at`, if it exists.
fn gradient(at: u32, exists: bool) -> vec4<f32> {
  return select(vec4<f32>(), vec4(dy[at]), vec4(select(NONE, code[at], exists)) == STEPS);
}

// The whole kernel from one channel of x to 2 channels of y per lane; the quad has 8 channels of y and shares the pixels.
// partial [PARTS, O C 25 + O]: weights and then biases of each part of the windows.
fn weightGradient(s: Sizes, job: u32, q: u32, one: u32) {
  let eights = (s.O + 7u) / 8u;
  let c = job % s.C;
  let o = (job / s.C % eights * 4u + q) * 2u;
  let part = job / (s.C * eights);
  let places = s.PH * s.PW;
  let near = min(o, s.O - 1u) * places;
  let far = min(o + 1u, s.O - 1u) * places;
  var t0 = mat4x2<f32>();
  var t1 = mat4x2<f32>();
  var t2 = mat4x2<f32>();
  var t3 = mat4x2<f32>();
  var t4 = mat4x2<f32>();
  var t5 = mat4x2<f32>();
  var t6 = mat4x2<f32>();
  let start = part * s.CHUNK;
  var n = start / places;
  var py = start / s.PW % s.PH;
  var px = start % s.PW;
  for (var i = 0u; i < s.CHUNK * one; i++) {
    let image = min(n, s.N - 1u);
    let plane = (image * s.C + c) * (s.H * s.W);
    let row = py * 2u + q / 2u - s.padTop;
    let column = px * 2u + q % 2u - s.padLeft;
    // Blocks (row, column) of the 6 x 6 pixels under the window.
    let r0 = rowOf(s, plane, row);
    let r2 = rowOf(s, plane, row + 2u);
    let r4 = rowOf(s, plane, row + 4u);
    let p00 = spread(pixel(r0, column));
    let p01 = spread(pixel(r0, column + 2u));
    let p02 = spread(pixel(r0, column + 4u));
    let p20 = spread(pixel(r2, column));
    let p21 = spread(pixel(r2, column + 2u));
    let p22 = spread(pixel(r2, column + 4u));
    let p40 = spread(pixel(r4, column));
    let p41 = spread(pixel(r4, column + 2u));
    let p42 = spread(pixel(r4, column + 4u));
    let p10 = amid(p00, p20);
    let p11 = amid(p01, p21);
    let p12 = amid(p02, p22);
    let p30 = amid(p20, p40);
    let p31 = amid(p21, p41);
    let p32 = amid(p22, p42);
    let at = (image * s.O * s.PH + py) * s.PW + px;
    let d = transpose(mat2x4(gradient(at + near, n < s.N), gradient(at + far, n < s.N)));
    t0 += d * mat4x4(p00, between(p00, p01), p01, between(p01, p02));
    t1 += d * mat4x4(p02, p10, between(p10, p11), p11);
    t2 += d * mat4x4(between(p11, p12), p12, p20, between(p20, p21));
    t3 += d * mat4x4(p21, between(p21, p22), p22, p30);
    t4 += d * mat4x4(between(p30, p31), p31, between(p31, p32), p32);
    t5 += d * mat4x4(p40, between(p40, p41), p41, between(p41, p42));
    t6 += d * mat4x4(p42, vec4(1.0), vec4<f32>(), vec4<f32>());
    px++;
    if (px == s.PW) {
      px = 0u;
      py++;
    }
    if (py == s.PH) {
      py = 0u;
      n++;
    }
  }
  var t = array<mat4x2<f32>, 7>(t0, t1, t2, t3, t4, t5, t6);
  let weights = s.O * s.C * 25u;
  let first = part * (weights + s.O);
  for (var e = 0u; e < 26u * one; e++) {
    // Biases follow the weights.
    let bias = e == 25u;
    let at = first + select((o * s.C + c) * 25u + e, weights + o, bias);
    let v = t[e / 4u][e % 4u];
    let wanted = (part < s.PARTS) & (!bias | (c == 0u));
    if (wanted & (o < s.O)) { partial[at] = v.x; }
    if (wanted & (o + 1u < s.O)) { partial[at + select(s.C * 25u, 1u, bias)] = v.y; }
  }
}

// Element (row, column) of kernel `at` of w, zero beyond it; a row of -1 has wrapped round to something huge.
fn element(at: u32, row: u32, column: u32) -> f32 {
  return select(0.0, w[at * 25u + min(row, 4u) * 5u + column], row < 5u);
}

// Two rows of 14 pixels of two channels of one image per lane: all that up to 5 windows side by side reach. Lanes have
// the same channels and share the kernel; where there are few images they have different rows.
fn inputGradient(s: Sizes, tile: u32, lane: u32, q: u32, one: u32) {
  let images = (s.N + s.IMAGES - 1u) / s.IMAGES;
  let pairs = (s.C + 1u) / 2u;
  let n = tile % images * s.IMAGES + lane % s.IMAGES;
  let c = tile / images % pairs * 2u;
  // Pixels of rows 2 rows and 2 rows + 1, padding counted. Rows of windows that reach there: `rows` less 0, 1 or 2.
  let top = tile / (images * pairs) * (16u / s.IMAGES);
  let rows = top + lane / s.IMAGES;
  let least = select(0u, top - (s.PH - 1u), top >= s.PH);
  let most = min(top + 16u / s.IMAGES - 1u, 2u);
  let reach = select(0u, most - least + 1u, most >= least);
  let image = min(n, s.N - 1u) * s.O;
  let channel = min(c + q / 2u, s.C - 1u);
  // One vec4 per column of pixels: two rows of the first channel, two of the second.
  var t0 = vec4<f32>();
  var t1 = vec4<f32>();
  var t2 = vec4<f32>();
  var t3 = vec4<f32>();
  var t4 = vec4<f32>();
  var t5 = vec4<f32>();
  var t6 = vec4<f32>();
  var t7 = vec4<f32>();
  var t8 = vec4<f32>();
  var t9 = vec4<f32>();
  var t10 = vec4<f32>();
  var t11 = vec4<f32>();
  var t12 = vec4<f32>();
  var t13 = vec4<f32>();
  var o = 0u;
  var back = least;
  for (var i = 0u; i < s.O * reach * one; i++) {
    let at = ((image + o) * s.PH + rows - back) * s.PW;
    let end = select(0u, s.PW, rows - back < s.PH);
    let g0 = gradient(at, UNCHECKED | (end > 0u));
    let g1 = gradient(at + 1u, UNCHECKED | (end > 1u));
    let g2 = gradient(at + 2u, UNCHECKED | (end > 2u));
    let g3 = gradient(at + 3u, UNCHECKED | (end > 3u));
    let g4 = gradient(at + 4u, UNCHECKED | (end > 4u));
    // Rows of the kernel: two that carry the upper positions of windows to both rows of pixels, and one before them, which
    // carries the lower positions to the upper row.
    let kernel = o * s.C + channel;
    let row = back * 2u;
    let k0 = spread(element(kernel, row + q % 2u, 0u));
    let k1 = spread(element(kernel, row + q % 2u, 1u));
    let k2 = spread(element(kernel, row + q % 2u, 2u));
    let k3 = spread(element(kernel, row + q % 2u, 3u));
    let k4 = spread(element(kernel, row + q % 2u, 4u));
    let before01 = spread(element(kernel, row - 1u, q % 2u));
    let before23 = spread(element(kernel, row - 1u, 2u + q % 2u));
    let before4 = spread(element(kernel, row - 1u, 4u));
    let m0 = mat2x4(k0, vec4(before01.x, k0.x, before01.z, k0.z));
    let m1 = mat2x4(k1, vec4(before01.y, k1.x, before01.w, k1.z));
    let m2 = mat2x4(k2, vec4(before23.x, k2.x, before23.z, k2.z));
    let m3 = mat2x4(k3, vec4(before23.y, k3.x, before23.w, k3.z));
    let m4 = mat2x4(k4, vec4(before4.x, k4.x, before4.z, k4.z));
    t0 += m0 * g0.xz;
    t1 += m0 * g0.yw + m1 * g0.xz;
    t2 += m0 * g1.xz + m1 * g0.yw + m2 * g0.xz;
    t3 += m0 * g1.yw + m1 * g1.xz + m2 * g0.yw + m3 * g0.xz;
    t4 += m0 * g2.xz + m1 * g1.yw + m2 * g1.xz + m3 * g0.yw + m4 * g0.xz;
    t5 += m0 * g2.yw + m1 * g2.xz + m2 * g1.yw + m3 * g1.xz + m4 * g0.yw;
    t6 += m0 * g3.xz + m1 * g2.yw + m2 * g2.xz + m3 * g1.yw + m4 * g1.xz;
    t7 += m0 * g3.yw + m1 * g3.xz + m2 * g2.yw + m3 * g2.xz + m4 * g1.yw;
    t8 += m0 * g4.xz + m1 * g3.yw + m2 * g3.xz + m3 * g2.yw + m4 * g2.xz;
    t9 += m0 * g4.yw + m1 * g4.xz + m2 * g3.yw + m3 * g3.xz + m4 * g2.yw;
    t10 += m1 * g4.yw + m2 * g4.xz + m3 * g3.yw + m4 * g3.xz;
    t11 += m2 * g4.yw + m3 * g4.xz + m4 * g3.yw;
    t12 += m3 * g4.yw + m4 * g4.xz;
    t13 += m4 * g4.yw;
    back++;
    if (back > most) {
      back = least;
      o++;
    }
  }
  var t = array<vec4<f32>, 14>(t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13);
  let row = rows * 2u - s.padTop;
  for (var e = 0u; e < 14u * one; e++) {
    let v = t[e];
    let column = e - s.padLeft;
    let at = ((n * s.C + c) * s.H + row) * s.W + column;
    if ((n < s.N) & (column < s.W)) {
      if (row < s.H) { dx[at] = v.x; }
      if (row + 1u < s.H) { dx[at + s.W] = v.y; }
      if ((row < s.H) & (c + 1u < s.C)) { dx[at + s.H * s.W] = v.z; }
      if ((row + 1u < s.H) & (c + 1u < s.C)) { dx[at + s.H * s.W + s.W] = v.w; }
    }
  }
}

// The first INPUT_GROUPS workgroups compute dx, the others partial sums of dw. Branches around either would double the time
// software adapters take to compile it, so the part that a workgroup has no share in runs with zero loop iterations. num.z is
// 1, but compilers do not know it: unrolled, loops take software adapters seconds to compile.
@compute @workgroup_size(16)
fn backward(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
            @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) sid: u32) {
  let s = sizes;
  let g = wg.y * num.x + wg.x;
  let input = g < s.INPUT_GROUPS;
  inputGradient(s, g, lane, sid % 4u, select(0u, num.z, input));
  weightGradient(s, (g - s.INPUT_GROUPS) * 4u + lane / 4u, sid % 4u, select(num.z, 0u, input));
}
