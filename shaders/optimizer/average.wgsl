// Exponential moving average of COUNT packed weights: average = decay average + (1 - decay) p, p itself at first.
// average, p: COUNT values, four per invocation. Nothing happens at steps after which no update was due.

override COUNT: u32;
override EVERY: u32;
override oneMinusDecay: f32;

@group(0) @binding(0) var<storage, read_write> average: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> p: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> step: array<u32>;

@compute @workgroup_size(64)
fn follow(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= (COUNT + 3u) / 4u || (step[0] + 1u) % EVERY != 0u) { return; }
  let old = average[i];
  average[i] = select(old + oneMinusDecay * (p[i] - old), p[i], step[0] < EVERY);
}
