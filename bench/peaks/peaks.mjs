// Kernels that measure the limits of this adapter, on a device of their own: multiply-adds per second, and copies of a small
// array (which fits into caches) and a large one. Their results are checked too.
import { readFileSync } from "node:fs";

const MiB = 2 ** 20;
const ROUNDS = 256;
const PER_TRIP = 32;
/** Bytes that one invocation copies. */
const COPIES = { copyOne: 16, copyFour: 64, copyRun: 128 };
const WORKGROUP = { arithmetic: 64, copy: 256 };

/** Each with the work of one run; `kind` and `size` name the limit that it measures. */
export function peakCases(onHardware) {
  const groups = onHardware ? 16384 : 256;
  const sizes = { small: 4 * MiB, large: onHardware ? 256 * MiB : 64 * MiB };
  return [
    ...["scalars", "scalarsFma", "vectors"].map((entry) => ({
      name: `multiply-add, ${entry}`,
      limit: "flops",
      entry,
      groups: [groups, 1],
      bytes: groups * WORKGROUP.arithmetic * 16,
      amount: 2 * PER_TRIP * ROUNDS * WORKGROUP.arithmetic * groups,
    })),
    ...["small", "large"].flatMap((size) =>
      Object.entries(COPIES).map(([entry, each]) => ({
        name: `copy of ${sizes[size] / MiB} MiB, ${entry}`,
        limit: size,
        entry,
        groups: grid(sizes[size] / each / WORKGROUP.copy),
        bytes: sizes[size],
        amount: 2 * sizes[size],
      })),
    ),
  ];
}

/** WebGPU allows 65535 workgroups per dimension. */
const grid = (groups) => [Math.min(groups, 32768), Math.ceil(groups / 32768)];

/** A session that runs one of them; throws when it computes something else. */
export async function openPeak(gpu, { entry, groups, bytes }) {
  const adapter = await gpu.requestAdapter();
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  const device = await adapter.requestDevice({
    requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
  });
  const module = device.createShaderModule({
    code: readFileSync(new URL("peaks.wgsl", import.meta.url), "utf8"),
  });
  const isCopy = entry.startsWith("copy");
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const src = device.createBuffer({ size: isCopy ? bytes : 16, usage });
  const dst = device.createBuffer({ size: bytes, usage });
  const pipeline = await device.createComputePipelineAsync({
    layout: "auto",
    compute: { module, entryPoint: entry, constants: isCopy ? { COUNT: bytes / 16 } : { ROUNDS } },
  });
  const layout = pipeline.getBindGroupLayout(0);
  const entries = [src, dst].map((buffer, binding) => ({ binding, resource: { buffer } }));
  const group = device.createBindGroup({ layout, entries });
  // With factor 1/2 and summand 1/2 every chain ends at 1, so that each lane, the sum of two, is 2.
  const given = new Float32Array(isCopy ? bytes / 4 : 4).fill(0.5);
  if (isCopy) for (let i = 0; i < given.length; i++) given[i] = i % 8191;
  device.queue.writeBuffer(src, 0, given);

  const run = async (k) => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    for (let i = 0; i < k; i++) pass.dispatchWorkgroups(...groups);
    pass.end();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
  };
  const result = async () => {
    const staging = device.createBuffer({
      size: bytes,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(dst, 0, staging, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const values = new Float32Array(staging.getMappedRange().slice(0));
    staging.destroy();
    return values;
  };
  await run(1);
  const values = await result();
  const wrong = values.findIndex((v, i) => !(Math.abs(v - (isCopy ? given[i] : 2)) < 1e-5));
  if (wrong >= 0) throw new Error(`WRONG: element ${wrong} is ${values[wrong]}`);
  return { run, free: () => device.destroy() };
}
