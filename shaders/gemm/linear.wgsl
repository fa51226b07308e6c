// Gradients of a linear layer without subgroups, in one dispatch: `registers` for adapters that run on a CPU, `slabs`
// for real ones. Needs linear-blocks.wgsl.

override LANES: u32;  // of `registers`: invocations per workgroup

// The left factor, with `weight` of dw, else of dx: four rows, each over ks k … k + 3; zero over the edge, as the right one.
fn left(weight: bool, rows: vec4<u32>, k: u32, count: u32) -> mat4x4<f32> {
  let ks = four(k, count);
  if (weight) { return transpose(inside(dyBlock(ks * sizes.OUT, rows), k, count)); }
  let block = dyBlock(rows * sizes.OUT, ks);
  let keep = k + STEPS < vec4(count);
  let zero = vec4<f32>();
  return mat4x4(select(zero, block[0], keep), select(zero, block[1], keep), select(zero, block[2], keep),
                select(zero, block[3], keep));
}

// The right factor: ks k … k + 3, each over four columns.
fn right(weight: bool, k: u32, count: u32, columns: vec4<u32>) -> mat4x4<f32> {
  let starts = four(k, count) * sizes.IN;
  var block: mat4x4<f32>;
  if (weight) { block = xBlock(starts, columns); } else { block = wBlock(starts, columns); }
  return inside(block, k, count);
}

// 8 x 8 per invocation, out of registers. Blocks: top left, top right, bottom left, bottom right. `one` is 1 and keeps
// loops from being unrolled, as in linear-quad.wgsl.
fn registersTile(weight: bool, row: u32, i: u32, one: u32) -> Tile {
  let rows = select(sizes.N, sizes.OUT, weight);
  let count = select(sizes.OUT, sizes.N, weight);
  let top = four(row, rows);
  let bottom = four(row + 4u, rows);
  var t = Tile();
  for (var k = 0u; k < count * one; k += 4u) {
    let u = left(weight, top, k, count);
    let s = left(weight, bottom, k, count);
    let v = right(weight, k, count, four(i, sizes.IN));
    let z = right(weight, k, count, four(i + 4u, sizes.IN));
    t[0] += v * u;
    t[1] += z * u;
    t[2] += v * s;
    t[3] += z * s;
  }
  return t;
}

@compute @workgroup_size(LANES)
fn registers(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
  let job = jobOf(wg.y * groups.x + wg.x);
  if (job.kind == BIAS) {
    let o = (job.row * LANES + lane) * 4u;
    putBias(o, biasSums(o, 0u, groups.z));
    return;
  }
  let to = targetOf(job.kind == WEIGHT);
  let row = job.row * 8u;
  let i = (job.column * LANES + lane) * 8u;
  var t = registersTile(to.weight, row, i, groups.z);
  for (var e = 0u; e < 16u * groups.z; e++) {
    put(to, row + e / 8u * 4u + e % 4u, i + e / 4u % 2u * 4u, t[0][0]);
    t = shifted(t);
  }
}

// Slabs of 32 ks of 32 rows of the left factor and 32 columns of the right one: 8 vec4 per k.
var<workgroup> leftSlab: array<vec4<f32>, 256>;
var<workgroup> rightSlab: array<vec4<f32>, 256>;

fn fill(lane: u32, left: mat4x4<f32>, right: mat4x4<f32>) {
  let at = lane / 8u * 32u + lane % 8u;
  for (var r = 0u; r < 4u; r++) {
    leftSlab[at + r * 8u] = left[r];
    rightSlab[at + r * 8u] = right[r];
  }
}

// The 4 x 4 of the workgroup's 32 x 32 that an invocation has, summed over one slab.
fn slabProduct(lane: u32) -> mat4x4<f32> {
  var t = mat4x4<f32>();
  for (var k = 0u; k < 256u; k += 8u) {
    let u = leftSlab[k + lane / 8u];
    let v = rightSlab[k + lane % 8u];
    t += mat4x4(v * u.x, v * u.y, v * u.z, v * u.w);
  }
  return t;
}

// 32 x 32 per workgroup of 64. Every invocation fetches one block of either factor per slab: ks by lane / 8, rows or
// columns by lane % 8.
@compute @workgroup_size(64)
fn slabs(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(local_invocation_index) lane: u32) {
  let job = jobOf(wg.y * groups.x + wg.x);
  let across = lane % 8u * 4u;
  let down = lane / 8u * 4u;
  if (job.kind == BIAS) {
    let o = job.row * 32u + across;
    leftSlab[lane] = biasSums(o, lane / 8u, 8u);
    workgroupBarrier();
    if (lane < 8u) {
      var sum = vec4<f32>();
      for (var s = 0u; s < 64u; s += 8u) { sum += leftSlab[s + lane]; }
      putBias(o, sum);
    }
    return;
  }
  let weight = job.kind == WEIGHT;
  let to = targetOf(weight);
  let count = select(sizes.OUT, sizes.N, weight);
  let rows = four(job.row * 32u + across, to.rows);
  let i = four(job.column * 32u + across, to.IN);
  var t = mat4x4<f32>();
  for (var k = 0u; k < count; k += 32u) {
    fill(lane, transpose(left(weight, rows, k + down, count)), right(weight, k + down, count, i));
    workgroupBarrier();
    t += slabProduct(lane);
    workgroupBarrier();
  }
  for (var r = 0u; r < 4u; r++) { put(to, job.row * 32u + down + r, job.column * 32u + across, t[r]); }
}
