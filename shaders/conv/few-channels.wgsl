// Convolution, relu and 2 x 2 max-pool in one, at stride 1: few-channel direct convolution, for GPUs. A workgroup has 64 windows
// of four channels. Kernels lie in workgroup memory; pixels are read in place, since lanes side by side have windows side
// by side. x [N, C, H, W], w [O, C, KH, KW], y and code [N, O, PH, PW]. Needs window-fragment.wgsl and
// window-sizes-fragment.wgsl.

override KH: u32;
override KW: u32;
override BIAS: bool;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> code: array<u32>;

// Kernels of the four channels; in the end sums of lanes.
var<workgroup> pool: array<vec4<f32>, 1024>;

// Two pixels one above the other. Above or left of x the unsigned row or column has wrapped round to something huge.
fn pixels(s: Sizes, plane: u32, row: u32, column: u32) -> vec2<f32> {
  let at = (plane * s.H + row) * s.W + column;
  let inside = vec2(row, row + 1u) < vec2(select(0u, s.H, column < s.W));
  return select(vec2<f32>(), vec2(x[at], x[at + s.W]), inside);
}

// Lanes 64 apart have every fourth row of the kernels.
@compute @workgroup_size(256)
fn forward(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
  let s = sizes;
  let g = wg.y * num.x + wg.x;
  let fours = (s.O + 3u) / 4u;
  let o = g % fours * 4u;
  let p = g / fours * 64u + lane % 64u;
  let n = p / (s.PH * s.PW);
  let row = p / s.PW % s.PH * 2u - s.padTop;
  let column = p % s.PW * 2u - s.padLeft;
  let depth = s.C * KH * KW;
  let first = min(vec4(o, o + 1u, o + 2u, o + 3u), vec4(s.O - 1u)) * depth;
  for (var e = lane; e < depth; e += 256u) {
    pool[e] = vec4(w[first.x + e], w[first.y + e], w[first.z + e], w[first.w + e]);
  }
  workgroupBarrier();
  // A vec4 per channel: the positions of the window.
  var t0 = vec4<f32>();
  var t1 = vec4<f32>();
  var t2 = vec4<f32>();
  var t3 = vec4<f32>();
  for (var k = lane / 64u; k < s.C * KH; k += 4u) {
    let plane = n * s.C + k / KH;
    var left = pixels(s, plane, row + k % KH, column);
    for (var e = 0u; e < KW; e++) {
      let right = pixels(s, plane, row + k % KH, column + e + 1u);
      let v = vec4(left.x, right.x, left.y, right.y);
      let weights = pool[k * KW + e];
      t0 += v * weights.x;
      t1 += v * weights.y;
      t2 += v * weights.z;
      t3 += v * weights.w;
      left = right;
    }
  }
  workgroupBarrier();
  pool[lane] = t0;
  pool[lane + 256u] = t1;
  pool[lane + 512u] = t2;
  pool[lane + 768u] = t3;
  workgroupBarrier();
  // Now lanes 64 apart have the four channels.
  let to = o + lane / 64u;
  var sum = vec4<f32>();
  if (BIAS) { sum += b[min(to, s.O - 1u)]; }
  for (var e = 0u; e < 256u; e += 64u) { sum += pool[lane / 64u * 256u + e + lane % 64u]; }
  if ((to < s.O) & (n < s.N)) { storeWindow((n * s.O + to) * (s.PH * s.PW) + p % (s.PH * s.PW), sum); }
}
