// Gradients of the blocks of conv-block-strips.wgsl, in the same way. A window of the gradient is dy in one of its
// places.
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
override PADDED: bool;  // any pixel of any window lies outside the input
override CHUNK: u32;    // images per part of the weight gradient
override PARTS: u32;
override INPUT_GROUPS: u32;

const STEPS = vec4<u32>(0u, 1u, 2u, 3u);

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> code: array<u32>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;
@group(0) @binding(4) var<storage, read> w: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

fn spread(v: f32) -> vec4<f32> {
  return vec4(quadBroadcast(v, 0u), quadBroadcast(v, 1u), quadBroadcast(v, 2u), quadBroadcast(v, 3u));
}

// Above or left of the input the unsigned row and column have wrapped round to something huge.
fn pixel(plane: u32, row: u32, column: u32) -> f32 {
  let v = x[plane + row * W + column];
  return select(v, 0.0, PADDED & ((row >= H) | (column >= W)));
}

// Of two blocks side by side, or one above the other, the block in the middle.
fn between(left: vec4<f32>, right: vec4<f32>) -> vec4<f32> {
  return vec4(left.y, right.x, left.w, right.z);
}

fn amid(above: vec4<f32>, below: vec4<f32>) -> vec4<f32> {
  return vec4(above.zw, below.xy);
}

fn gradient(at: u32) -> vec4<f32> {
  return select(vec4<f32>(), vec4(dy[at]), vec4(code[at]) == STEPS);
}

// All taps of 2 channels of y per lane for one channel of x; the quad has 8 channels and shares the pixels.
// partial [PARTS, O C 25 + O]: weights and then biases of each part of the images.
fn weightTaps(job: u32, s: u32, mine: bool) {
  let eights = (O + 7u) / 8u;
  let c = job % C;
  let o = (job / C % eights * 4u + s) * 2u;
  let part = job / (C * eights);
  let near = min(o, O - 1u) * (PH * PW);
  let far = min(o + 1u, O - 1u) * (PH * PW);
  var t0 = mat4x2<f32>();
  var t1 = mat4x2<f32>();
  var t2 = mat4x2<f32>();
  var t3 = mat4x2<f32>();
  var t4 = mat4x2<f32>();
  var t5 = mat4x2<f32>();
  var t6 = mat4x2<f32>();
  for (var m = 0u; m < select(0u, CHUNK * PH * PW, mine); m++) {
    let n = min(part * CHUNK + m / (PH * PW), N);
    let p = m % (PH * PW);
    let plane = (min(n, N - 1u) * C + c) * (H * W);
    let row = p / PW * 2u + s / 2u - padTop;
    let column = p % PW * 2u + s % 2u - padLeft;
    // Blocks (row, column) of the 6 x 6 pixels under the window.
    let p00 = spread(pixel(plane, row, column));
    let p01 = spread(pixel(plane, row, column + 2u));
    let p02 = spread(pixel(plane, row, column + 4u));
    let p20 = spread(pixel(plane, row + 2u, column));
    let p21 = spread(pixel(plane, row + 2u, column + 2u));
    let p22 = spread(pixel(plane, row + 2u, column + 4u));
    let p40 = spread(pixel(plane, row + 4u, column));
    let p41 = spread(pixel(plane, row + 4u, column + 2u));
    let p42 = spread(pixel(plane, row + 4u, column + 4u));
    let p10 = amid(p00, p20);
    let p11 = amid(p01, p21);
    let p12 = amid(p02, p22);
    let p30 = amid(p20, p40);
    let p31 = amid(p21, p41);
    let p32 = amid(p22, p42);
    let at = min(n, N - 1u) * (O * PH * PW) + p;
    let inside = vec4(select(0.0, 1.0, n < N));
    let d = transpose(mat2x4(gradient(at + near) * inside, gradient(at + far) * inside));
    t0 += d * mat4x4(p00, between(p00, p01), p01, between(p01, p02));
    t1 += d * mat4x4(p02, p10, between(p10, p11), p11);
    t2 += d * mat4x4(between(p11, p12), p12, p20, between(p20, p21));
    t3 += d * mat4x4(p21, between(p21, p22), p22, p30);
    t4 += d * mat4x4(between(p30, p31), p31, between(p31, p32), p32);
    t5 += d * mat4x4(p40, between(p40, p41), p41, between(p41, p42));
    t6 += d * mat4x4(p42, vec4(1.0), vec4<f32>(), vec4<f32>());
  }
  var t = array<mat4x2<f32>, 7>(t0, t1, t2, t3, t4, t5, t6);
  let weights = O * C * 25u;
  let first = part * (weights + O);
  // The bound is hidden to keep compilers from unrolling: each copy of a store costs them more than it saves.
  let taps = select(0u, min(26u, arrayLength(&partial)), mine);
  for (var e = 0u; e < taps; e++) {
    let v = t[e / 4u][e % 4u];
    if ((part < PARTS) & (e < 25u)) {
      if (o < O) { partial[first + (o * C + c) * 25u + e] = v.x; }
      if (o + 1u < O) { partial[first + (o * C + C + c) * 25u + e] = v.y; }
    }
    if ((part < PARTS) & (e == 25u) & (c == 0u)) {
      if (o < O) { partial[first + weights + o] = v.x; }
      if (o + 1u < O) { partial[first + weights + o + 1u] = v.y; }
    }
  }
}

// Tap (row, column) of channel `at` of w, zero beyond the kernel; a row of -1 has wrapped round to something huge.
fn tap(at: u32, row: u32, column: u32) -> f32 {
  return select(0.0, w[at * 25u + min(row, 4u) * 5u + column], row < 5u);
}

// Two rows of 14 pixels of two channels of one image per lane: all that up to 5 windows side by side reach. Lanes have
// the same rows and channels and share the taps.
fn inputRows(tile: u32, lane: u32, s: u32, mine: bool) {
  let images = (N + 15u) / 16u;
  let pairs = (C + 1u) / 2u;
  let n = tile % images * 16u + lane;
  let c = tile / images % pairs * 2u;
  let rows = tile / (images * pairs);  // pixels of rows 2 rows and 2 rows + 1, padding counted
  // Rows of windows that reach here: `rows` less 0, 1 or 2.
  let least = select(0u, rows - (PH - 1u), rows >= PH);
  let most = min(rows, 2u);
  let reach = select(0u, most - least + 1u, most >= least);
  let image = min(n, N - 1u) * O;
  let channel = min(c + s / 2u, C - 1u);
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
  for (var m = 0u; m < select(0u, O * reach, mine); m++) {
    let o = m / reach;
    let back = least + m % reach;
    let at = ((image + o) * PH + rows - back) * PW;
    let g0 = gradient(at);
    let g1 = select(vec4<f32>(), gradient(at + 1u), vec4(PW > 1u));
    let g2 = select(vec4<f32>(), gradient(at + 2u), vec4(PW > 2u));
    let g3 = select(vec4<f32>(), gradient(at + 3u), vec4(PW > 3u));
    let g4 = select(vec4<f32>(), gradient(at + 4u), vec4(PW > 4u));
    // Taps that carry the top and the bottom place of a column of a window to the pixels above.
    let kernel = o * C + channel;
    let top = back * 2u + s % 2u;
    let m0 = mat2x4(spread(tap(kernel, top, 0u)), spread(tap(kernel, top - 1u, 0u)));
    let m1 = mat2x4(spread(tap(kernel, top, 1u)), spread(tap(kernel, top - 1u, 1u)));
    let m2 = mat2x4(spread(tap(kernel, top, 2u)), spread(tap(kernel, top - 1u, 2u)));
    let m3 = mat2x4(spread(tap(kernel, top, 3u)), spread(tap(kernel, top - 1u, 3u)));
    let m4 = mat2x4(spread(tap(kernel, top, 4u)), spread(tap(kernel, top - 1u, 4u)));
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
  }
  var t = array<vec4<f32>, 14>(t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13);
  let columns = select(0u, min(14u, arrayLength(&dx)), mine);
  for (var e = 0u; e < columns; e++) {
    let v = t[e];
    let column = e - padLeft;
    let row = rows * 2u - padTop;
    let at = ((n * C + c) * H + row) * W + column;
    if ((n < N) & (column < W)) {
      if (row < H) { dx[at] = v.x; }
      if (row + 1u < H) { dx[at + W] = v.y; }
      if ((row < H) & (c + 1u < C)) { dx[at + H * W] = v.z; }
      if ((row + 1u < H) & (c + 1u < C)) { dx[at + H * W + W] = v.w; }
    }
  }
}

@compute @workgroup_size(32)
fn backwardWeight(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) sid: u32) {
  weightTaps((wg.y * num.x + wg.x) * 8u + lane / 4u, sid % 4u, true);
}

@compute @workgroup_size(16)
fn backwardInput(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) sid: u32) {
  inputRows(wg.y * num.x + wg.x, lane, sid % 4u, true);
}

// Both: the first INPUT_GROUPS workgroups have tiles of dx. Branches around all that would double the time that CPU
// adapters take to compile it.
@compute @workgroup_size(16)
fn backward(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
            @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) sid: u32) {
  let g = wg.y * num.x + wg.x;
  inputRows(g, lane, sid % 4u, g < INPUT_GROUPS);
  weightTaps((g - INPUT_GROUPS) * 4u + lane / 4u, sid % 4u, g >= INPUT_GROUPS);
}
