/** The test environment itself: a trivial kernel through the raw WebGPU API, in Node and in a page. */
import { expect, test } from "vitest";
import { testGpu } from "../support/device.ts";
import { listFixtures, readFixture } from "../support/fixtures.ts";

const code = `
@group(0) @binding(0) var<storage, read_write> data: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&data)) { data[id.x] = data[id.x] * 2.0 + 1.0; }
}`;

test("a compute kernel runs and its result comes back", async () => {
  const adapter = await (await testGpu()).requestAdapter();
  if (!adapter) throw new Error("no adapter");
  const device = await adapter.requestDevice();
  const input = Float32Array.from({ length: 1000 }, (_, i) => i);
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const data = device.createBuffer({ size: input.byteLength, usage });
  const back = device.createBuffer({
    size: input.byteLength,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  device.queue.writeBuffer(data, 0, input);
  const pipeline = await device.createComputePipelineAsync({
    layout: "auto",
    compute: { module: device.createShaderModule({ code }), entryPoint: "main" },
  });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: data } }],
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(Math.ceil(input.length / 64));
  pass.end();
  encoder.copyBufferToBuffer(data, 0, back, 0, input.byteLength);
  device.queue.submit([encoder.finish()]);
  await back.mapAsync(GPUMapMode.READ);
  expect([...new Float32Array(back.getMappedRange())]).toEqual([...input].map((x) => x * 2 + 1));
  device.destroy();
});

test("fixtures can be listed and read", async () => {
  const [path] = listFixtures("golden/softmax", ".json");
  const bytes = await readFixture(path ?? "");
  expect(JSON.parse(new TextDecoder().decode(bytes))).toBeTypeOf("object");
  const binary = await readFixture("golden/matmul/matmul_3x1000x2.a.bin");
  expect(binary.byteLength).toBeGreaterThan(0);
  await expect(readFixture("golden/nothing")).rejects.toThrow("no fixture");
});
