// y = (x - mean) rstd w + b for each of ROWS rows, with the row's own statistics; x is x + r if ADDED. Without CENTRED, mean is 0.
// stats [ROWS]: (mean, rstd), rstd = 1 / sqrt(mean of (x - mean)² + eps)   r [R_ROWS rows, that repeat]   sum: x + r
// A row is SIZE units; src/kernels/norm/row-norm.ts generates the type Unit and `total`. Needs special-functions.wgsl and a fragment
// that says which invocations share a row: row-per-invocation-fragment.wgsl or row-per-workgroup-fragment.wgsl.

override ROWS: u32;
override SIZE: u32;
override COUNT: f32;  // values of a row
override R_ROWS: u32;
override eps: f32;
override CENTRED: bool;
override WEIGHTED: bool;
override BIASED: bool;
override ADDED: bool;

@group(0) @binding(0) var<storage, read> x: array<Unit>;
@group(0) @binding(1) var<storage, read> w: array<Unit>;
@group(0) @binding(2) var<storage, read> b: array<Unit>;
@group(0) @binding(3) var<storage, read> r: array<Unit>;
@group(0) @binding(4) var<storage, read_write> y: array<Unit>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read_write> sum: array<Unit>;

fn valueAt(row: u32, i: u32) -> Unit {
  let v = x[row * SIZE + i];
  if (ADDED) { return v + r[row % R_ROWS * SIZE + i]; }
  return v;
}

// A first mean, of distances from the row's first value, so that rows far from 0 lose no precision. Sums are added in blocks.
fn firstMean(row: u32, lane: u32) -> f32 {
  let origin = firstOf(valueAt(row, 0u));
  var sums = Unit();
  for (var i = lane; i < SIZE;) {
    var block = Unit();
    for (let end = min(i + BLOCK * STEP, SIZE); i < end; i += STEP) { block += valueAt(row, i) - origin; }
    sums += block;
  }
  return origin + rowSums(lane, vec2(total(sums), 0.0)).x / COUNT;
}

// Mean and rstd.
fn statistics(row: u32, lane: u32) -> vec2<f32> {
  var m = 0.0;
  if (CENTRED) { m = firstMean(row, lane); }
  var sums = Unit();
  var squares = Unit();
  for (var i = lane; i < SIZE;) {
    var block = Unit();
    var blockSquares = Unit();
    for (let end = min(i + BLOCK * STEP, SIZE); i < end; i += STEP) {
      let d = valueAt(row, i) - m;
      block += d;
      blockSquares += d * d;
    }
    sums += block;
    squares += blockSquares;
  }
  let means = rowSums(lane, vec2(total(sums), total(squares))) / COUNT;
  // Said by bits: of a row of one value a compiler makes 0, whatever the value is.
  let rstd = select(nan(), 1.0 / sqrt(means.y + eps), isFinite(m));
  return vec2(select(0.0, m + means.x, CENTRED), rstd);
}

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
           @builtin(local_invocation_index) invocation: u32) {
  let row = rowOf(wg.y * n.x + wg.x, invocation);
  if (row >= ROWS) { return; }
  let lane = laneOf(invocation);
  let s = statistics(row, lane);
  for (var i = lane; i < SIZE; i += STEP) {
    let v = valueAt(row, i);
    var out = (v - s.x) * s.y;
    if (WEIGHTED) { out *= w[i]; }
    if (BIASED) { out += b[i]; }
    y[row * SIZE + i] = out;
    if (ADDED) { sum[row * SIZE + i] = v; }
  }
  if (lane == 0u) { stats[row] = s; }
}
