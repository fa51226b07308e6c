// The samples of a step's batch: samples[b], the sample of row b, and weights[b], 1 for a sample and 0 for a row past the end of the
// data. Needs batch-row-fragment.wgsl.   samples, weights [B]

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read> key: array<u32>;
@group(0) @binding(2) var<storage, read_write> samples: array<u32>;
@group(0) @binding(3) var<storage, read_write> weights: array<f32>;

// One row per invocation.
@compute @workgroup_size(64)
fn batchOrder(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let b = id.y * n.x * 64u + id.x;
  if (b >= B) { return; }
  let r = rowOf(b, step[0], key[0], key[1]);
  samples[b] = r.sample;
  weights[b] = select(0.0, 1.0, r.counts);
}
