// Gradients of a linear layer y[n, o] = sum over i of x[n, i] * w[o, i] + b[o], all in one dispatch:
//   dx[n, i] = slope(mask[n, i]) * sum over o of dy[n, o] * w[o, i]
//   dw[o, i] = sum over n of dy[n, o] * x[n, i]
//   db[o]    = sum over n of dy[n, o]
// x, mask, dx: N x IN;  w, dw: OUT x IN;  dy: N x OUT;  db: OUT.
// Workgroups 0 … INPUT_GROUPS - 1 compute dx, the next WEIGHT_GROUPS dw, the rest db.

override N: u32;
override IN: u32;
override OUT: u32;
override activation: u32;  // of what computed x: 0 none, 1 relu, 2 sigmoid, 3 tanh
override LANES: u32;       // invocations per workgroup, side by side along i
override INPUT_GROUPS: u32;
override WEIGHT_GROUPS: u32;
override TILES: u32;       // along i

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<storage, read_write> dw: array<f32>;
@group(0) @binding(6) var<storage, read_write> db: array<f32>;

fn slope(at: u32) -> f32 {
  if (activation == 0u) { return 1.0; }
  let y = mask[at];
  if (activation == 1u) { return select(0.0, 1.0, y > 0.0); }
  if (activation == 2u) { return y * (1.0 - y); }
  return 1.0 - y * y;
}

fn putInput(n: u32, i: u32, sum: vec4<f32>) {
  if (n >= N) { return; }
  let at = n * IN + i;
  if (i < IN) { dx[at] = sum.x * slope(at); }
  if (i + LANES < IN) { dx[at + LANES] = sum.y * slope(at + LANES); }
  if (i + 2u * LANES < IN) { dx[at + 2u * LANES] = sum.z * slope(at + 2u * LANES); }
  if (i + 3u * LANES < IN) { dx[at + 3u * LANES] = sum.w * slope(at + 3u * LANES); }
}

fn putWeight(o: u32, i: u32, sum: vec4<f32>) {
  if (o >= OUT) { return; }
  let at = o * IN + i;
  if (i < IN) { dw[at] = sum.x; }
  if (i + LANES < IN) { dw[at + LANES] = sum.y; }
  if (i + 2u * LANES < IN) { dw[at + 2u * LANES] = sum.z; }
  if (i + 3u * LANES < IN) { dw[at + 3u * LANES] = sum.w; }
}

fn inputTile(g: u32, lane: u32) {
  let n = (g / TILES) * 8u;
  let i = (g % TILES) * LANES * 4u + lane;
  let i0 = min(i, IN - 1u);
  let i1 = min(i + LANES, IN - 1u);
  let i2 = min(i + 2u * LANES, IN - 1u);
  let i3 = min(i + 3u * LANES, IN - 1u);
  var s0 = vec4<f32>();
  var s1 = vec4<f32>();
  var s2 = vec4<f32>();
  var s3 = vec4<f32>();
  var s4 = vec4<f32>();
  var s5 = vec4<f32>();
  var s6 = vec4<f32>();
  var s7 = vec4<f32>();
  for (var o = 0u; o < OUT; o++) {
    let r = o * IN;
    let v = vec4<f32>(w[r + i0], w[r + i1], w[r + i2], w[r + i3]);
    s0 += dy[n * OUT + o] * v;
    s1 += dy[min(n + 1u, N - 1u) * OUT + o] * v;
    s2 += dy[min(n + 2u, N - 1u) * OUT + o] * v;
    s3 += dy[min(n + 3u, N - 1u) * OUT + o] * v;
    s4 += dy[min(n + 4u, N - 1u) * OUT + o] * v;
    s5 += dy[min(n + 5u, N - 1u) * OUT + o] * v;
    s6 += dy[min(n + 6u, N - 1u) * OUT + o] * v;
    s7 += dy[min(n + 7u, N - 1u) * OUT + o] * v;
  }
  putInput(n, i, s0);
  putInput(n + 1u, i, s1);
  putInput(n + 2u, i, s2);
  putInput(n + 3u, i, s3);
  putInput(n + 4u, i, s4);
  putInput(n + 5u, i, s5);
  putInput(n + 6u, i, s6);
  putInput(n + 7u, i, s7);
}

fn weightTile(g: u32, lane: u32) {
  let o = (g / TILES) * 8u;
  let i = (g % TILES) * LANES * 4u + lane;
  let i0 = min(i, IN - 1u);
  let i1 = min(i + LANES, IN - 1u);
  let i2 = min(i + 2u * LANES, IN - 1u);
  let i3 = min(i + 3u * LANES, IN - 1u);
  var s0 = vec4<f32>();
  var s1 = vec4<f32>();
  var s2 = vec4<f32>();
  var s3 = vec4<f32>();
  var s4 = vec4<f32>();
  var s5 = vec4<f32>();
  var s6 = vec4<f32>();
  var s7 = vec4<f32>();
  for (var n = 0u; n < N; n++) {
    let r = n * IN;
    let v = vec4<f32>(x[r + i0], x[r + i1], x[r + i2], x[r + i3]);
    let d = n * OUT;
    s0 += dy[d + o] * v;
    s1 += dy[d + min(o + 1u, OUT - 1u)] * v;
    s2 += dy[d + min(o + 2u, OUT - 1u)] * v;
    s3 += dy[d + min(o + 3u, OUT - 1u)] * v;
    s4 += dy[d + min(o + 4u, OUT - 1u)] * v;
    s5 += dy[d + min(o + 5u, OUT - 1u)] * v;
    s6 += dy[d + min(o + 6u, OUT - 1u)] * v;
    s7 += dy[d + min(o + 7u, OUT - 1u)] * v;
  }
  putWeight(o, i, s0);
  putWeight(o + 1u, i, s1);
  putWeight(o + 2u, i, s2);
  putWeight(o + 3u, i, s3);
  putWeight(o + 4u, i, s4);
  putWeight(o + 5u, i, s5);
  putWeight(o + 6u, i, s6);
  putWeight(o + 7u, i, s7);
}

fn biasSum(o: u32) {
  if (o >= OUT) { return; }
  var sum = 0.0;
  for (var n = 0u; n < N; n++) { sum += dy[n * OUT + o]; }
  db[o] = sum;
}

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
  let g = wg.y * groups.x + wg.x;
  if (g < INPUT_GROUPS) {
    inputTile(g, lane);
  } else if (g < INPUT_GROUPS + WEIGHT_GROUPS) {
    weightTile(g - INPUT_GROUPS, lane);
  } else {
    biasSum((g - INPUT_GROUPS - WEIGHT_GROUPS) * LANES + lane);
  }
}
