// Convolution, relu and 2 x 2 max-pool in one, with kernels of 5 x 5 at stride 1: row-strip direct convolution, for software
// adapters with subgroups. An invocation computes a strip of pooling windows of one row. The lanes of a quad load for
// each other; sums stay in registers. A vec4 holds a block of 2 x 2 (top left, top right, bottom left, bottom right): the
// four output positions of a window, or four pixels.
// x [N, C, H, W], w [O, C, 5, 5], b [O], y and code [N, O, PH, PW]. Needs row-strip-fragment.wgsl,
// window-fragment.wgsl and window-sizes-fragment.wgsl.

override BIAS: bool;
override LANES: u32;
override EVEN: bool;  // rows of x are even, and windows begin at even columns: pixels are read two at a time

@group(0) @binding(6) var<storage, read> x2: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> code: array<u32>;

// Two pixels side by side.
fn pixels(row: Row, column: u32) -> vec2<f32> {
  if (EVEN) { return select(vec2<f32>(), x2[(row.start + column) / 2u], column < row.end); }
  return vec2(pixel(row, column), pixel(row, column + 1u));
}

// A block of pixels, each row loaded by one of two lanes that are two apart: every lane has its own row first.
fn block(row: Row, column: u32) -> vec4<f32> {
  let own = pixels(row, column);
  return vec4(own, quadSwapY(own));
}

// Two elements of the kernel, each loaded by one of two lanes side by side.
fn elements(at: u32, right: bool) -> vec2<f32> {
  let own = w[at];
  let other = quadSwapX(own);
  return select(vec2(own, other), vec2(other, own), right);
}

// Sums of channel o start from its bias.
fn bias(s: Sizes, o: u32) -> vec4<f32> {
  if (BIAS) { return vec4(b[min(o, s.O - 1u)]); }
  return vec4<f32>();
}

// Per channel, one column each: the sum over a row of the kernel at the four positions of a window, over pixels p, q and r.
fn sums(p: vec4<f32>, q: vec4<f32>, r: vec4<f32>, t: array<vec2<f32>, 8>) -> mat3x4<f32> {
  let under = mat4x4(p, between(p, q), q, between(q, r));
  return mat3x4(under * vec4(t[0], t[1]) + r * t[2].x, under * vec4(t[2].y, t[3], t[4].x) + r * t[4].y,
                under * vec4(t[5], t[6]) + r * t[7].x);
}

// 5 windows side by side and 3 channels per lane; the quad has two such strips and 6 channels.
@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
           @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) sid: u32) {
  let s = sizes;
  let right = sid % 2u == 1u;
  let low = sid % 4u / 2u;
  let strips = (s.PW + 4u) / 5u;
  let tiles = (strips * s.PH * s.N + LANES / 2u - 1u) / (LANES / 2u);
  let tile = wg.y * num.x + wg.x;
  let strip = tile % tiles * (LANES / 2u) + lane / 4u * 2u + sid % 2u;
  let px = strip % strips * 5u;
  let py = strip / strips % s.PH;
  let n = strip / (strips * s.PH);
  let o = tile / tiles * 6u + low * 3u;
  let column = px * 2u - s.padLeft;
  let first = min(vec3(o, o + 1u, o + 2u), vec3(s.O - 1u)) * (s.C * 25u);
  let begin = mat3x4(bias(s, o), bias(s, o + 1u), bias(s, o + 2u));
  var t0 = begin;
  var t1 = begin;
  var t2 = begin;
  var t3 = begin;
  var t4 = begin;
  // num.z is 1, but compilers do not know it: unrolled, loops take software adapters seconds to compile.
  for (var k = 0u; k < s.C * 5u * num.z; k++) {
    let plane = (n * s.C + k / 5u) * (s.H * s.W);
    let row = rowOf(s, plane, py * 2u + k % 5u + low - s.padTop);
    let p0 = block(row, column);
    let p1 = block(row, column + 2u);
    let p2 = block(row, column + 4u);
    let p3 = block(row, column + 6u);
    let p4 = block(row, column + 8u);
    let p5 = block(row, column + 10u);
    let p6 = block(row, column + 12u);
    let f = first + k * 5u;
    let g = f + sid % 2u;
    let t = array(elements(g.x, right), elements(g.x + 2u, right), elements(select(f.x + 4u, f.y, right), right), elements(g.y + 1u, right),
                  elements(g.y + 3u, right), elements(g.z, right), elements(g.z + 2u, right), elements(f.z + 4u, right));
    t0 += sums(p0, p1, p2, t);
    t1 += sums(p1, p2, p3, t);
    t2 += sums(p2, p3, p4, t);
    t3 += sums(p3, p4, p5, t);
    t4 += sums(p4, p5, p6, t);
  }
  var t = array<mat3x4<f32>, 5>(t0, t1, t2, t3, t4);
  for (var e = 0u; e < 15u * num.z; e++) {
    let v = t[e / 3u][e % 3u];
    let to = o + e % 3u;
    let column = px + e / 3u;
    if ((to < s.O) & (column < s.PW) & (n < s.N)) {
      storeWindow(((n * s.O + to) * s.PH + py) * s.PW + column, select(v, v.zwxy, low == 1u));
    }
  }
}
