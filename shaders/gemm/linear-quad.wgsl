// Gradients of a linear layer without workgroup memory or barriers: the four lanes of a quad swap the rows they loaded.
// 16 rows x 4 columns per lane, 16 x 4 LANES per workgroup; dw's tiles have db too. Sums go two terms after two, for the
// reasons in matmul-pairs.wgsl. Needs linear-blocks.wgsl and quad-functions.wgsl.
enable subgroups;

override LANES: u32;   // the adapter's subgroup size, a multiple of 4
override PAIRS: bool;  // OUT is even: rows of dy are read two numbers at a time
override ODD: bool;    // N or OUT may be odd
override SHARED: bool; // dx and dw come out of one loop: half the code to compile

@group(0) @binding(2) var<storage, read> dy2: array<vec2<f32>>;

fn dyOne(at: u32) -> f32 {
  let pair = dy2[at / 2u];
  return select(pair.x, pair.y, at % 2u == 1u);
}

fn dyFour(at: vec4<u32>) -> vec4<f32> {
  return vec4(dyOne(at.x), dyOne(at.y), dyOne(at.z), dyOne(at.w));
}

// Terms k and `after` of four rows: of dy, or with `weight` of its columns.
fn dyTerms(weight: bool, rows: vec4<u32>, k: u32, after: u32) -> mat2x4<f32> {
  let OUT = sizes.OUT;
  if (PAIRS) {
    let along = rows * OUT + k;
    let across = vec4(k, k, after, after) * OUT + rows.x + vec4(0u, 2u, 0u, 2u);
    let at = select(along, across, vec4(weight)) / 2u;
    let m = mat4x2(dy2[at.x], dy2[at.y], dy2[at.z], dy2[at.w]);
    if (weight) { return mat2x4(vec4(m[0], m[1]), vec4(m[2], m[3])); }
    return transpose(m);
  }
  return mat2x4(dyFour(select(rows * OUT + k, k * OUT + rows, vec4(weight))),
                dyFour(select(rows * OUT + after, after * OUT + rows, vec4(weight))));
}

fn xFour(start: u32, columns: vec4<u32>) -> vec4<f32> {
  if (IN_VECTOR) { return x[(start + columns.x) / 4u]; }
  return xRow(start + columns);
}

fn wFour(start: u32, columns: vec4<u32>) -> vec4<f32> {
  if (IN_VECTOR) { return w[(start + columns.x) / 4u]; }
  return wRow(start + columns);
}

struct Sums {
  tile: Tile,    // block p: rows of the lane whose number in the quad is this one's XOR p
  dy: vec4<f32>, // of the lane's own rows
}

// num_workgroups.z is 1, but compilers do not know it: a loop whose bound is multiplied by it stays a loop. Unrolled, loops
// of memory accesses take seconds to compile on CPU adapters.

// Columns i … i + 3 of dx, or with `weight` of dw, in the sixteen rows of which the lane has those from `row` on.
fn sumsOf(weight: bool, row: u32, i: u32, one: u32) -> Sums {
  let IN = sizes.IN;
  let count = select(sizes.OUT, sizes.N, weight);
  let columns = four(i, IN);
  let rows = four(row, select(sizes.N, sizes.OUT, weight));
  var t = Tile();
  var own = vec4<f32>();
  for (var k = 0u; k < count * one; k += 2u) {
    var after = k + 1u;
    if (ODD) { after = min(after, count - 1u); }
    var terms = dyTerms(weight, rows, k, after);
    if (ODD) { terms[1] = select(vec4<f32>(), terms[1], vec4(after > k)); }
    var v: mat2x4<f32>;
    if (weight) {
      v = mat2x4(xFour(k * IN, columns), xFour(after * IN, columns));
    } else {
      v = mat2x4(wFour(k * IN, columns), wFour(after * IN, columns));
    }
    if (ODD) { v[1] = select(vec4<f32>(), v[1], vec4(after > k)); }
    let u = transpose(terms);
    t[0] += v * u;
    t[1] += v * swapX(u);
    t[2] += v * swapY(u);
    t[3] += v * swapDiagonal(u);
    if (weight | SHARED) { own += terms[0] + terms[1]; }
  }
  return Sums(t, own);
}

@compute @workgroup_size(LANES)
fn quad(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
  let job = jobOf(wg.y * groups.x + wg.x);
  let q = lane % 4u;
  let row = job.row * 16u;
  let i = (job.column * LANES + lane) * 4u;
  let to = targetOf(job.kind == WEIGHT);
  var sums: Sums;
  if (SHARED) {
    sums = sumsOf(job.kind == WEIGHT, row + q * 4u, i, groups.z);
  } else if (job.kind == WEIGHT) {
    sums = sumsOf(true, row + q * 4u, i, groups.z);
  } else {
    sums = sumsOf(false, row + q * 4u, i, groups.z);
  }
  if (to.weight & (sizes.BIAS == 1u) & (i < 16u)) { putBias(row + q * 4u, sums.dy); }
  var t = sums.tile;
  for (var e = 0u; e < 16u * groups.z; e++) {
    put(to, row + (q ^ (e / 4u)) * 4u + e % 4u, i, t[0][0]);
    t = shifted(t);
  }
}

// The same where IN is a multiple of 4.
@compute @workgroup_size(LANES)
fn quadVector(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(subgroup_invocation_id) lane: u32) {
  let job = jobOf(wg.y * groups.x + wg.x);
  let q = lane % 4u;
  let row = job.row * 16u;
  let i = (job.column * LANES + lane) * 4u;
  let to = targetOf(job.kind == WEIGHT);
  var sums: Sums;
  if (SHARED) {
    sums = sumsOf(job.kind == WEIGHT, row + q * 4u, i, groups.z);
  } else if (job.kind == WEIGHT) {
    sums = sumsOf(true, row + q * 4u, i, groups.z);
  } else {
    sums = sumsOf(false, row + q * 4u, i, groups.z);
  }
  if (to.weight & (sizes.BIAS == 1u) & (i < 16u)) { putBias(row + q * 4u, sums.dy); }
  var t = sums.tile;
  for (var e = 0u; e < 16u * groups.z; e++) {
    put4(to, row + (q ^ (e / 4u)) * 4u + e % 4u, i, t[0][0]);
    t = shifted(t);
  }
}
