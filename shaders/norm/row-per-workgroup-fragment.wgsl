// FRAGMENT: the invocations of a workgroup share a row. row-per-invocation-fragment.wgsl provides the same names.

override LANES: u32;  // invocations per workgroup; a power of 2
override STEP: u32 = LANES;

const BLOCK = 128u;

var<workgroup> laneSums: array<vec2<f32>, LANES>;

fn rowOf(group: u32, invocation: u32) -> u32 { return group; }

fn laneOf(invocation: u32) -> u32 { return invocation; }

fn rowSums(lane: u32, own: vec2<f32>) -> vec2<f32> {
  laneSums[lane] = own;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { laneSums[lane] += laneSums[lane + half]; }
  }
  workgroupBarrier();
  let all = laneSums[0];
  workgroupBarrier();
  return all;
}
