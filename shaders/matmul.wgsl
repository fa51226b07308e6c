// y[z, m, n] = activation(sum over k of a[z, m, k] * b[z, k, n] + bias[m or n])
//
// a: M x K with steps AM, AK;  b: K x N with steps BK, BN;  y: M x N with steps YM, YN;  bias: steps CM, CN, one of them 0.
// Steps make transposed operands, and outputs computed the other way round, a matter of constants.
// Batch: z runs over Z0 x Z1 x Z2, a moves by A0, A1, A2 and b by B0, B1, B2 (0 where it is broadcast), y by M * N.

override M: u32;
override N: u32;
override K: u32;
override AM: u32;
override AK: u32;
override BK: u32;
override BN: u32;
override YM: u32;
override YN: u32;
override CM: u32;
override CN: u32;
override BATCH: u32;  // Z0 * Z1 * Z2
override Z1: u32;
override Z2: u32;
override A0: u32;
override A1: u32;
override A2: u32;
override B0: u32;
override B1: u32;
override B2: u32;
override BIAS: bool;
override activation: u32;  // 0 none, 1 relu, 2 sigmoid, 3 tanh
override LANES: u32;       // invocations per workgroup, side by side along n
override TILES_N: u32;
override TILES_M: u32;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn aBatch(z: u32) -> u32 { return (z / (Z1 * Z2)) * A0 + ((z / Z2) % Z1) * A1 + (z % Z2) * A2; }
fn bBatch(z: u32) -> u32 { return (z / (Z1 * Z2)) * B0 + ((z / Z2) % Z1) * B1 + (z % Z2) * B2; }

fn activate(x: f32) -> f32 {
  if (activation == 1u) { return select(x, 0.0, x <= 0.0); }
  if (activation == 2u) { return 1.0 / (1.0 + exp(-x)); }
  if (activation == 3u) { return tanh(clamp(x, -9.1, 9.1)); }
  return x;
}

fn put(z: u32, m: u32, n: u32, sum: f32) {
  if (n >= N) { return; }
  var v = sum;
  if (BIAS) { v += bias[m * CM + n * CN]; }
  y[z * M * N + m * YM + n * YN] = activate(v);
}

fn putRow(z: u32, m: u32, n: u32, sum: vec4<f32>) {
  if (m >= M) { return; }
  put(z, m, n, sum.x);
  put(z, m, n + LANES, sum.y);
  put(z, m, n + 2u * LANES, sum.z);
  put(z, m, n + 3u * LANES, sum.w);
}

// 8 rows x 4 columns per invocation; columns LANES apart, so that neighbours read neighbouring elements of b. Rows and
// columns over the edge read the last one again and are not written.
@compute @workgroup_size(LANES)
fn register8x4(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
  let g = wg.y * groups.x + wg.x;
  let z = g / (TILES_N * TILES_M);
  if (z >= BATCH) { return; }
  let m = ((g / TILES_N) % TILES_M) * 8u;
  let n = (g % TILES_N) * LANES * 4u + lane;
  let za = aBatch(z);
  let zb = bBatch(z);
  var a0 = za + m * AM;
  var a1 = za + min(m + 1u, M - 1u) * AM;
  var a2 = za + min(m + 2u, M - 1u) * AM;
  var a3 = za + min(m + 3u, M - 1u) * AM;
  var a4 = za + min(m + 4u, M - 1u) * AM;
  var a5 = za + min(m + 5u, M - 1u) * AM;
  var a6 = za + min(m + 6u, M - 1u) * AM;
  var a7 = za + min(m + 7u, M - 1u) * AM;
  var b0 = zb + min(n, N - 1u) * BN;
  var b1 = zb + min(n + LANES, N - 1u) * BN;
  var b2 = zb + min(n + 2u * LANES, N - 1u) * BN;
  var b3 = zb + min(n + 3u * LANES, N - 1u) * BN;
  var y0 = vec4<f32>();
  var y1 = vec4<f32>();
  var y2 = vec4<f32>();
  var y3 = vec4<f32>();
  var y4 = vec4<f32>();
  var y5 = vec4<f32>();
  var y6 = vec4<f32>();
  var y7 = vec4<f32>();
  for (var k = 0u; k < K; k++) {
    let v = vec4<f32>(b[b0], b[b1], b[b2], b[b3]);
    y0 += a[a0] * v;
    y1 += a[a1] * v;
    y2 += a[a2] * v;
    y3 += a[a3] * v;
    y4 += a[a4] * v;
    y5 += a[a5] * v;
    y6 += a[a6] * v;
    y7 += a[a7] * v;
    a0 += AK; a1 += AK; a2 += AK; a3 += AK; a4 += AK; a5 += AK; a6 += AK; a7 += AK;
    b0 += BK; b1 += BK; b2 += BK; b3 += BK;
  }
  putRow(z, m, n, y0);
  putRow(z, m + 1u, n, y1);
  putRow(z, m + 2u, n, y2);
  putRow(z, m + 3u, n, y3);
  putRow(z, m + 4u, n, y4);
  putRow(z, m + 5u, n, y5);
  putRow(z, m + 6u, n, y6);
  putRow(z, m + 7u, n, y7);
}
