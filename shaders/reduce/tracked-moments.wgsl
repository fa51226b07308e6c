// Fragment: stores moments and updates running statistics by them, as running-stats.wgsl does. Needs moments.wgsl.

override momentum: f32;
override unbias: f32;  // n / (n - 1)

@group(0) @binding(6) var<storage, read_write> runningMean: array<f32>;
@group(0) @binding(7) var<storage, read_write> runningVar: array<f32>;
@group(0) @binding(8) var<storage, read_write> count: array<i32>;

fn store(k: u32, m: vec2<f32>) {
  storeMoments(k, m);
  runningMean[k] = (1.0 - momentum) * runningMean[k] + momentum * m.x;
  runningVar[k] = (1.0 - momentum) * runningVar[k] + momentum * (m.y / f32(REDUCED) * unbias);
  if (k == 0u) { count[0] += 1; }
}
