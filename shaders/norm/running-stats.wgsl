// running = (1 - f) running + f new for the mean and the unbiased variance of C channels, and count = count + 1.
// f is the momentum, or 1 / (count + 1) for a CUMULATIVE average. One workgroup, so that every invocation reads count before it
// changes.

override C: u32;
override momentum: f32;
override CUMULATIVE: bool;
override unbias: f32;  // n / (n - 1)

@group(0) @binding(0) var<storage, read_write> runningMean: array<f32>;
@group(0) @binding(1) var<storage, read_write> runningVar: array<f32>;
@group(0) @binding(2) var<storage, read_write> count: array<i32>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read> variance: array<f32>;

@compute @workgroup_size(64)
fn update(@builtin(local_invocation_index) lane: u32) {
  let batches = count[0] + 1;
  workgroupBarrier();
  let f = select(momentum, 1.0 / f32(batches), CUMULATIVE);
  for (var c = lane; c < C; c += 64u) {
    runningMean[c] = (1.0 - f) * runningMean[c] + f * mean[c];
    runningVar[c] = (1.0 - f) * runningVar[c] + f * (variance[c] * unbias);
  }
  if (lane == 0u) { count[0] = batches; }
}
