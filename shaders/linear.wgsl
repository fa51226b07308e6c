// Gradients of a linear layer without subgroups, in one dispatch: `registers` for adapters that run on a CPU, `slabs`
// for real ones. Needs linear-blocks.wgsl.

override LANES: u32;  // of `registers`: invocations per workgroup

// 8 x 8 per invocation, out of registers. Blocks: top left, top right, bottom left, bottom right. `one` is 1 and keeps
// loops from being unrolled, as in linear-quad.wgsl.
fn inputTile(n: u32, i: u32, one: u32) -> Tile {
  let top = four(n, N);
  let bottom = four(n + 4u, N);
  let left = four(i, IN);
  let right = four(i + 4u, IN);
  var t = Tile();
  for (var o = 0u; o < OUT * one; o += 4u) {
    let u = dyOverOs(top, o);
    let s = dyOverOs(bottom, o);
    let v = wOverIs(o, left);
    let z = wOverIs(o, right);
    t[0] += v * u;
    t[1] += z * u;
    t[2] += v * s;
    t[3] += z * s;
  }
  return t;
}

fn weightTile(o: u32, i: u32, one: u32) -> Tile {
  let top = four(o, OUT);
  let bottom = four(o + 4u, OUT);
  let left = four(i, IN);
  let right = four(i + 4u, IN);
  var t = Tile();
  for (var n = 0u; n < N * one; n += 4u) {
    let u = dyOverNs(n, top);
    let s = dyOverNs(n, bottom);
    let v = xOverIs(n, left);
    let z = xOverIs(n, right);
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
  let row = job.row * 8u;
  let i = (job.column * LANES + lane) * 8u;
  if (job.kind == INPUT) {
    var t = inputTile(row, i, groups.z);
    for (var e = 0u; e < 16u * groups.z; e++) {
      putInput(row + e / 8u * 4u + e % 4u, i + e / 4u % 2u * 4u, t[0][0]);
      t = shifted(t);
    }
  } else if (job.kind == WEIGHT) {
    var t = weightTile(row, i, groups.z);
    for (var e = 0u; e < 16u * groups.z; e++) {
      putWeight(row + e / 8u * 4u + e % 4u, i + e / 4u % 2u * 4u, t[0][0]);
      t = shifted(t);
    }
  } else {
    let o = (job.row * LANES + lane) * 4u;
    putBias(o, biasSums(o, 0u, N * groups.z, 1u));
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
  let i = four(job.column * 32u + across, IN);
  var t = mat4x4<f32>();
  if (job.kind == INPUT) {
    let n = four(job.row * 32u + across, N);
    for (var o = 0u; o < OUT; o += 32u) {
      fill(lane, transpose(dyOverOs(n, o + down)), wOverIs(o + down, i));
      workgroupBarrier();
      t += slabProduct(lane);
      workgroupBarrier();
    }
    for (var r = 0u; r < 4u; r++) { putInput(job.row * 32u + down + r, job.column * 32u + across, t[r]); }
  } else if (job.kind == WEIGHT) {
    let o = four(job.row * 32u + across, OUT);
    for (var n = 0u; n < N; n += 32u) {
      fill(lane, transpose(dyOverNs(n + down, o)), xOverIs(n + down, i));
      workgroupBarrier();
      t += slabProduct(lane);
      workgroupBarrier();
    }
    for (var r = 0u; r < 4u; r++) { putWeight(job.row * 32u + down + r, job.column * 32u + across, t[r]); }
  } else {
    let o = job.row * 32u + across;
    leftSlab[lane] = biasSums(o, lane / 8u, N, 8u);
    workgroupBarrier();
    if (lane < 8u) {
      var sum = vec4<f32>();
      for (var s = 0u; s < 64u; s += 8u) { sum += leftSlab[s + lane]; }
      putBias(o, sum);
    }
  }
}
