// Keeps a sum of gradients over EVERY steps: kept = total, or 0 after the last step of each EVERY.
// kept, total: COUNT values, four per invocation.

override COUNT: u32;
override EVERY: u32;

@group(0) @binding(0) var<storage, read_write> kept: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> total: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> step: array<u32>;

@compute @workgroup_size(64)
fn accumulate(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= (COUNT + 3u) / 4u) { return; }
  kept[i] = select(total[i], vec4(0.0), (step[0] + 1u) % EVERY == 0u);
}
