/** A compute job that keeps a device busy for a while, through the raw WebGPU API. */

const code = `
override rounds: u32;
@group(0) @binding(0) var<storage, read_write> data: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  var value = data[id.x];
  for (var i = 0u; i < rounds; i++) { value = value * 1.0001 + 0.5; }
  data[id.x] = value;
}`;

/** Submits 65,536 invocations of so many rounds each, without waiting for them. */
export async function submitLongJob(device: GPUDevice, rounds: number): Promise<void> {
  const data = device.createBuffer({ size: 4 * 65_536, usage: GPUBufferUsage.STORAGE });
  const pipeline = await device.createComputePipelineAsync({
    layout: "auto",
    compute: { module: device.createShaderModule({ code }), entryPoint: "main", constants: { rounds } },
  });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: data } }],
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(1024);
  pass.end();
  device.queue.submit([encoder.finish()]);
}
