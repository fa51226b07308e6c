// The number of updates before this step as a float, for schedules: count = step / EVERY, exact up to 2^24.
// step, count: [1]

override EVERY: u32;

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read_write> count: array<f32>;

@compute @workgroup_size(1)
fn stepCount() {
  count[0] = f32(step[0] / EVERY);
}
