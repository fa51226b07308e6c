// The second dispatch of every weight gradient of a convolution: dw [WEIGHTS] and db [BIASES] from partial sums
// [PARTS, WEIGHTS + BIASES], added in an order that is always the same.

struct Sizes {
  WEIGHTS: u32,
  BIASES: u32,
  PARTS: u32,
}
@group(0) @binding(7) var<uniform> sizes: Sizes;

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> dw: array<f32>;
@group(0) @binding(3) var<storage, read_write> db: array<f32>;

fn put(k: u32, sum: f32) {
  if (k < sizes.WEIGHTS) { dw[k] = sum; } else { db[k - sizes.WEIGHTS] = sum; }
}

@compute @workgroup_size(64)
fn reduceParts(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
  let k = (wg.y * num.x + wg.x) * 64u + lane;
  let count = sizes.WEIGHTS + sizes.BIASES;
  if (k >= count) { return; }
  var sum = 0.0;
  for (var p = k; p < sizes.PARTS * count; p += count) { sum += partial[p]; }
  put(k, sum);
}

var<workgroup> sums: array<f32, 256>;

// For GPUs, where one lane would wait for memory part after part: lanes 32 apart have every eighth part.
@compute @workgroup_size(256)
fn reduceWide(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
  let k = (wg.y * num.x + wg.x) * 32u + lane % 32u;
  let count = sizes.WEIGHTS + sizes.BIASES;
  var sum = 0.0;
  for (var p = lane / 32u; p < sizes.PARTS; p += 8u) { sum += partial[p * count + min(k, count - 1u)]; }
  sums[lane] = sum;
  workgroupBarrier();
  if ((lane >= 32u) | (k >= count)) { return; }
  for (var other = lane + 32u; other < 256u; other += 32u) { sum += sums[other]; }
  put(k, sum);
}
