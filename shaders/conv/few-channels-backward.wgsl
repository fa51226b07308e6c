// Both gradients of few-channels.wgsl in one dispatch. Only the position that won a window has a gradient: sums are over
// windows, not over the four times as many positions. What lanes read many times lies in workgroup memory, where the
// winning position changes only the address.
// x and dx [N, C, H, W], w [O, C, KH, KW], dy and code [N, O, PH, PW], partial as reduce-weight-parts.wgsl has it.

override KH: u32;
override KW: u32;

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
  INPUT_GROUPS: u32,  // workgroups that compute dx, which come first
  FOURS: u32,         // groups of four channels of y per workgroup of the weight gradient
  ROWS: u32,          // of windows in a tile of the weight gradient, at most 8
  COLUMNS: u32,
  CHUNK: u32,         // tiles per part
  PARTS: u32,
}
@group(0) @binding(7) var<uniform> sizes: Sizes;

const NONE = 0xffffffffu;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> code: array<u32>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;
@group(0) @binding(4) var<storage, read> w: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

// Kernels of two channels, or gradients with their places in `tile`; in the end sums of lanes.
var<workgroup> pool: array<vec2<u32>, 1024>;
// Pixels under a tile of windows.
var<workgroup> tile: array<f32, 785>;

// The gradient of window `at`, if it exists, and the distance of its position from the window's first in rows of `wide`.
struct Gradient {
  value: f32,
  offset: u32,
}

fn gradient(at: u32, exists: bool, wide: u32) -> Gradient {
  let here = select(0u, at, exists);
  let position = select(NONE, code[here], exists);
  let wins = position != NONE;
  return Gradient(select(0.0, dy[here], wins), select(0u, position / 2u * wide + position % 2u, wins));
}

// 64 blocks of 2 x 2 pixels of two channels. Rows and columns count from the padding's edge, so that a window of the
// convolution is a block too. Of the windows that reach a block, lanes 64 apart have those of every fourth channel.
fn inputGradient(s: Sizes, g: u32, lane: u32) {
  let top = s.padTop / 2u;
  let left = s.padLeft / 2u;
  let high = (s.H + s.padTop + 1u) / 2u - top;
  let across = (s.W + s.padLeft + 1u) / 2u - left;
  let pairs = (s.C + 1u) / 2u;
  let c = g % pairs * 2u;
  let block = g / pairs * 64u + lane % 64u;
  let n = block / (high * across);
  let m = block / across % high + top;
  let k = block % across + left;
  // Kernels begin and end with zeros.
  let wide = KW / 2u * 2u + 3u;
  let kernel = (KH / 2u * 2u + 3u) * wide;
  let step = 1024u / kernel;
  var t0 = vec2<f32>();
  var t1 = vec2<f32>();
  var t2 = vec2<f32>();
  var t3 = vec2<f32>();
  for (var first = 0u; first < s.O; first += step) {
    workgroupBarrier();
    for (var e = lane; e < step * kernel; e += 256u) {
      let row = e % kernel / wide - 1u;
      let column = e % wide - 1u;
      let at = ((first + e / kernel) * s.C + c) * (KH * KW) + row * KW + column;
      let inside = (row < KH) & (column < KW);
      let both = select(vec2<f32>(), vec2(w[at], w[at + KH * KW]), vec2(inside, inside & (c + 1u < s.C)));
      pool[e] = bitcast<vec2<u32>>(both);
    }
    workgroupBarrier();
    for (var o = lane / 64u; o < min(step, s.O - first); o += 4u) {
      let plane = (min(n, s.N - 1u) * s.O + first + o) * s.PH;
      for (var up = 0u; up <= KH / 2u; up++) {
        for (var back = 0u; back <= KW / 2u; back++) {
          // Above or left of the windows the unsigned difference wraps round to something huge.
          let d = gradient((plane + m - up) * s.PW + k - back, (m - up < s.PH) & (k - back < s.PW), wide);
          let element = o * kernel + (up * 2u + 1u) * wide + back * 2u + 1u - d.offset;
          t0 += d.value * bitcast<vec2<f32>>(pool[element]);
          t1 += d.value * bitcast<vec2<f32>>(pool[element + 1u]);
          t2 += d.value * bitcast<vec2<f32>>(pool[element + wide]);
          t3 += d.value * bitcast<vec2<f32>>(pool[element + wide + 1u]);
        }
      }
    }
  }
  workgroupBarrier();
  pool[lane] = bitcast<vec2<u32>>(t0);
  pool[lane + 256u] = bitcast<vec2<u32>>(t1);
  pool[lane + 512u] = bitcast<vec2<u32>>(t2);
  pool[lane + 768u] = bitcast<vec2<u32>>(t3);
  workgroupBarrier();
  // Now lanes 64 apart have the four pixels.
  let pixel = lane / 64u;
  var sum = vec2<f32>();
  for (var e = 0u; e < 256u; e += 64u) { sum += bitcast<vec2<f32>>(pool[pixel * 256u + e + lane % 64u]); }
  let row = m * 2u + pixel / 2u - s.padTop;
  let column = k * 2u + pixel % 2u - s.padLeft;
  let to = ((n * s.C + c) * s.H + row) * s.W + column;
  if ((n < s.N) & (row < s.H) & (column < s.W)) {
    dx[to] = sum.x;
    if (c + 1u < s.C) { dx[to + s.H * s.W] = sum.y; }
  }
}

// The kernels from one channel of x to 4 FOURS channels of y, summed over one part of the tiles, each of windows of one image.
// A lane has one kernel element of four channels; element KH KW, whose pixel is a 1, is the bias. Where there are more
// lanes than elements, several share a tile's windows.
fn weightGradient(s: Sizes, job: u32, lane: u32) {
  let windows = s.ROWS * s.COLUMNS;
  let wide = s.COLUMNS * 2u + KW - 1u;
  let tall = s.ROWS * 2u + KH - 1u;
  let eachRow = (s.PW + s.COLUMNS - 1u) / s.COLUMNS;
  let eachColumn = (s.PH + s.ROWS - 1u) / s.ROWS;
  let fours = (s.O + s.FOURS * 4u - 1u) / (s.FOURS * 4u);
  let c = job % s.C;
  let firstO = job / s.C % fours * (s.FOURS * 4u);
  let part = job / (s.C * fours);
  let each = KH * KW + 1u;
  let share = each * s.FOURS;
  let element = lane % each;
  let four = lane / each % s.FOURS * 4u;
  let bias = element == KH * KW;
  let start = select(element / KW * wide + element % KW, 784u, bias);
  let reach = select(1u, 0u, bias);
  if (lane == 0u) { tile[784] = 1.0; }
  var t = vec4<f32>();
  for (var i = part * s.CHUNK; i < min(part * s.CHUNK + s.CHUNK, s.N * eachRow * eachColumn); i++) {
    let n = i / (eachRow * eachColumn);
    let py = i / eachRow % eachColumn * s.ROWS;
    let px = i % eachRow * s.COLUMNS;
    workgroupBarrier();
    // At most 28 pixels side by side.
    let across = lane % 32u;
    let column = px * 2u + across - s.padLeft;
    for (var e = lane / 32u; e < tall; e += 8u) {
      let row = py * 2u + e - s.padTop;
      let v = x[((n * s.C + c) * s.H + row) * s.W + column];
      if (across < wide) { tile[e * wide + across] = select(0.0, v, (row < s.H) & (column < s.W)); }
    }
    let r = lane / 8u % 8u;
    let q = lane % 8u;
    for (var e = lane / 64u; e < s.FOURS * 4u; e += 4u) {
      let o = firstO + e;
      let exists = (o < s.O) & (py + r < s.PH) & (px + q < s.PW);
      let d = gradient(((n * s.O + o) * s.PH + py + r) * s.PW + px + q, exists, wide);
      if ((r < s.ROWS) & (q < s.COLUMNS)) {
        pool[e * windows + r * s.COLUMNS + q] = vec2(bitcast<u32>(d.value), (r * wide + q) * 2u + d.offset);
      }
    }
    workgroupBarrier();
    for (var q = lane / share; q < windows; q += 256u / share) {
      let g0 = pool[four * windows + q];
      let g1 = pool[(four + 1u) * windows + q];
      let g2 = pool[(four + 2u) * windows + q];
      let g3 = pool[(four + 3u) * windows + q];
      let at = start + vec4(g0.y, g1.y, g2.y, g3.y) * reach;
      t += bitcast<vec4<f32>>(vec4(g0.x, g1.x, g2.x, g3.x)) * vec4(tile[at.x], tile[at.y], tile[at.z], tile[at.w]);
    }
  }
  workgroupBarrier();
  pool[lane] = bitcast<vec2<u32>>(t.xy);
  pool[lane + 256u] = bitcast<vec2<u32>>(t.zw);
  workgroupBarrier();
  if ((lane >= share) | (part >= s.PARTS)) { return; }
  for (var other = lane + share; other < 256u / share * share; other += share) {
    t += bitcast<vec4<f32>>(vec4(pool[other], pool[other + 256u]));
  }
  let weights = s.O * s.C * KH * KW;
  for (var e = 0u; e < 4u; e++) {
    let o = firstO + four + e;
    let to = select((o * s.C + c) * (KH * KW) + element, weights + o, bias);
    if ((o < s.O) & (!bias | (c == 0u))) { partial[part * (weights + s.O) + to] = t[e]; }
  }
}

@compute @workgroup_size(256)
fn backward(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
  let s = sizes;
  let g = wg.y * num.x + wg.x;
  if (g < s.INPUT_GROUPS) {
    inputGradient(s, g, lane);
  } else {
    weightGradient(s, g - s.INPUT_GROUPS, lane);
  }
}
