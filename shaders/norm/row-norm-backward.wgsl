// Gradients of row-norm.wgsl, with g = dy w, xhat = (x - mean) rstd and means over the row:
//   dx = rstd (g - mean of g - xhat mean of g xhat) + other     dw = sum over rows of dy xhat     db = sum over rows of dy
// The mean of g is left out without CENTRED, `other` without OTHER. The first COLUMN_GROUPS workgroups sum columns, one column of
// units per invocation, over PARTS parts of the rows; the other workgroups compute dx.
//   backward: PARTS is 1     backwardParts: stores the sums of parts, which reduceParts adds up
// Needs what row-norm.wgsl needs, but for special-functions.wgsl.

override ROWS: u32;
override SIZE: u32;
override COUNT: f32;
override CENTRED: bool;
override WEIGHTED: bool;
override OTHER: bool;
override needsW: bool;
override needsB: bool;
override COLUMN_GROUPS: u32;
override PARTS: u32;
override PART_ROWS: u32;  // rows of a part

@group(0) @binding(0) var<storage, read> dy: array<Unit>;
@group(0) @binding(1) var<storage, read> x: array<Unit>;
@group(0) @binding(2) var<storage, read> stats: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> w: array<Unit>;
@group(0) @binding(4) var<storage, read> other: array<Unit>;
@group(0) @binding(5) var<storage, read_write> dx: array<Unit>;
@group(0) @binding(6) var<storage, read_write> dw: array<Unit>;
@group(0) @binding(7) var<storage, read_write> db: array<Unit>;
@group(0) @binding(6) var<storage, read_write> partial: array<Unit>;  // PARTS x (dw, db)
@group(0) @binding(0) var<storage, read> partials: array<Unit>;       // the same as an input

fn gradientAt(row: u32, i: u32) -> Unit {
  let d = dy[row * SIZE + i];
  if (WEIGHTED) { return d * w[i]; }
  return d;
}

fn inputGradient(row: u32, lane: u32) {
  let s = stats[row];
  var plain = Unit();
  var weighted = Unit();
  for (var i = lane; i < SIZE;) {
    var block = Unit();
    var blockWeighted = Unit();
    for (let end = min(i + BLOCK * STEP, SIZE); i < end; i += STEP) {
      let g = gradientAt(row, i);
      block += g;
      blockWeighted += g * (x[row * SIZE + i] - s.x);
    }
    plain += block;
    weighted += blockWeighted;
  }
  var means = rowSums(lane, vec2(total(plain), total(weighted) * s.y)) / COUNT;
  if (!CENTRED) { means.x = 0.0; }
  for (var i = lane; i < SIZE; i += STEP) {
    let at = row * SIZE + i;
    var d = (gradientAt(row, i) - means.x - (x[at] - s.x) * s.y * means.y) * s.y;
    if (OTHER) { d += other[at]; }
    dx[at] = d;
  }
}

struct Sums { w: Unit, b: Unit }

// Sums of column c over the rows of a part.
fn columnSums(c: u32, part: u32) -> Sums {
  var sums = Sums();
  let last = min((part + 1u) * PART_ROWS, ROWS);
  for (var row = part * PART_ROWS; row < last;) {
    var block = Sums();
    for (let end = min(row + BLOCK, last); row < end; row++) {
      let s = stats[row];
      let d = dy[row * SIZE + c];
      block.w += d * ((x[row * SIZE + c] - s.x) * s.y);
      block.b += d;
    }
    sums.w += block.w;
    sums.b += block.b;
  }
  return sums;
}

fn storeSums(c: u32, sums: Sums) {
  if (needsW) { dw[c] = sums.w; }
  if (needsB) { db[c] = sums.b; }
}

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
            @builtin(local_invocation_index) invocation: u32) {
  let group = wg.y * n.x + wg.x;
  if (group < COLUMN_GROUPS) {
    let c = group * LANES + invocation;
    if (c < SIZE) { storeSums(c, columnSums(c, 0u)); }
    return;
  }
  let row = rowOf(group - COLUMN_GROUPS, invocation);
  if (row >= ROWS) { return; }
  inputGradient(row, laneOf(invocation));
}

@compute @workgroup_size(LANES)
fn backwardParts(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                 @builtin(local_invocation_index) invocation: u32) {
  let group = wg.y * n.x + wg.x;
  if (group < COLUMN_GROUPS) {
    let c = group / PARTS * LANES + invocation;
    let part = group % PARTS;
    if (c < SIZE) {
      let sums = columnSums(c, part);
      partial[2u * part * SIZE + c] = sums.w;
      partial[(2u * part + 1u) * SIZE + c] = sums.b;
    }
    return;
  }
  let row = rowOf(group - COLUMN_GROUPS, invocation);
  if (row >= ROWS) { return; }
  inputGradient(row, laneOf(invocation));
}

@compute @workgroup_size(64)
fn reduceParts(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
               @builtin(local_invocation_index) invocation: u32) {
  let c = (wg.y * n.x + wg.x) * 64u + invocation;
  if (c >= SIZE) { return; }
  var sums = Sums();
  for (var part = 0u; part < PARTS; part++) {
    sums.w += partials[2u * part * SIZE + c];
    sums.b += partials[(2u * part + 1u) * SIZE + c];
  }
  storeSums(c, sums);
}
