/** States are read and written in pieces; after a failed read the device still works. */
import { afterEach, expect, it } from "vitest";
import type { Data } from "../../src/graph/spec.ts";
import { state } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { add } from "../../src/ops/index.ts";
import { adam } from "../../src/optim/index.ts";
import type { GpuBackend } from "../../src/runtime/gpu/backend.ts";
import type { GpuDevice } from "../../src/runtime/gpu/device.ts";
import { LeafMemory } from "../../src/runtime/gpu/memory.ts";
import { PIECE_BYTES } from "../../src/runtime/gpu/readback.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { DeviceError } from "../../src/validation/errors.ts";
import { ownBackend } from "../support/backend.ts";

let open: GpuBackend | undefined;
afterEach(() => open?.close());

async function device(): Promise<GpuBackend> {
  open = await ownBackend("default");
  return open;
}

/** Sizes of the buffers that are created from now on. */
function createdBuffers({ raw }: GpuDevice): number[] {
  const sizes: number[] = [];
  const create = raw.createBuffer.bind(raw);
  raw.createBuffer = (descriptor) => {
    sizes.push(descriptor.size);
    return create(descriptor);
  };
  return sizes;
}

it("reads and writes tensors larger than a piece, of every type, at any offset", async () => {
  const { device: gpu } = await device();
  for (const pieceBytes of [4, 12, 40, 64, 1 << 20]) {
    const memory = new LeafMemory(gpu, pieceBytes);
    const leaves = [state([7]), state([1], 0, "u32"), state([10], 0, "i32"), state([3])];
    const given: Data[] = [
      Float32Array.from({ length: 7 }, (_, i) => i / 3),
      Uint32Array.of(2 ** 32 - 1),
      Int32Array.from({ length: 10 }, (_, i) => -i),
      Float64Array.of(0.1, 0.2, 0.3),
    ];
    for (const leaf of leaves) memory.ensure(leaf, () => Float32Array.of());
    for (const [i, leaf] of leaves.entries()) memory.write(leaf, given[i] as Data);
    // Twice: staging buffers are created, then reused.
    for (let round = 0; round < 2; round++) {
      const wanted = leaves.map((leaf) => ({
        location: memory.locate(leaf),
        dtype: leaf.dtype,
        length: leaf.size,
      }));
      const read = await memory.reader.readAll(wanted);
      expect(read).toEqual([given[0], given[1], given[2], Float32Array.from(given[3] as Data)]);
    }
    memory.write(leaves[2] as (typeof leaves)[0], Int32Array.of(5, 6, 7, 8), 4);
    const location = memory.locate(leaves[2] as (typeof leaves)[0]);
    expect([...(await memory.reader.read(location, "i32", 10))]).toEqual([0, -1, -2, -3, 5, 6, 7, 8, -8, -9]);
    memory.destroy();
  }
});

it("states larger in total than the largest buffer are read as of one moment", async () => {
  const { device: gpu } = await device();
  const size = 30 * 2 ** 20;
  expect(3 * size * 4).toBeGreaterThan(gpu.limits.maxBufferSize);
  const memory = new LeafMemory(gpu);
  const leaves = [0, 1, 2].map((i) => state([size], 0, "f32", `state ${i}`));
  for (const leaf of leaves) memory.ensure(leaf, () => Float32Array.of());
  const marks = [0, 2 ** 24 - 1, 2 ** 24, size - 1];
  const mark = (value: number) => {
    for (const leaf of leaves) for (const at of marks) memory.write(leaf, Float32Array.of(value), at);
  };
  mark(1);
  const wanted = leaves.map((leaf) => ({ location: memory.locate(leaf), dtype: leaf.dtype, length: size }));
  const sizes = createdBuffers(gpu);
  const reading = memory.reader.readAll(wanted);
  mark(2);
  for (const values of await reading) {
    expect(marks.map((at) => values[at])).toEqual([1, 1, 1, 1]);
    expect(values[1]).toBe(0);
  }
  expect(Math.max(...sizes)).toBe(PIECE_BYTES);
  memory.destroy();
});

it("a model trains whose parameters and moments are larger in total than the largest buffer", async () => {
  const backend = await device();
  const outputs = 4_600_000;
  const trainer = await Trainer.create(backend, {
    model: nn.linear(4, outputs),
    loss: nn.mse(),
    optimizer: adam(),
    batchSize: 1,
  });
  expect(3 * 4 * trainer.parameterCount).toBeGreaterThan(backend.device.limits.maxBufferSize);
  const inputs = { data: Float32Array.of(1, 2, 3, 4), shape: [4] };
  const labels = new Float32Array(outputs).fill(1);
  const set = { name: "wide", split: "train", count: 1, inputs, labels, labelShape: [outputs] } as const;
  const before = (await trainer.parameter("bias"))[outputs - 1] as number;
  await trainer.fit(set, { epochs: 1 });
  expect(await trainer.parameter("bias")).toSatisfy((b: Data) => b[outputs - 1] !== before);
});

it("a read without enough memory throws a DeviceError, and the next one works", async () => {
  const backend = await device();
  const weights = state(
    [1000],
    Float32Array.from({ length: 1000 }, (_, i) => i),
  );
  await backend.compile({ outputs: [add(weights, 1)] });
  const { raw } = backend.device;
  const create = raw.createBuffer.bind(raw);
  // Stands for a device without memory: a buffer larger than its limit.
  raw.createBuffer = (descriptor) => create({ ...descriptor, size: 2 ** 45 });
  await expect(backend.read(weights)).rejects.toThrow(DeviceError);
  raw.createBuffer = create;
  expect(await backend.read(weights)).toEqual(Float32Array.from({ length: 1000 }, (_, i) => i));
});

it("a read whose memory the host can't map throws, and the next one works", async () => {
  const backend = await device();
  const weights = state([1000], 3);
  await backend.compile({ outputs: [add(weights, 1)] });
  await backend.read(weights);
  const probe = backend.device.raw.createBuffer({ size: 16, usage: GPUBufferUsage.COPY_DST });
  const kind = Object.getPrototypeOf(probe) as GPUBuffer;
  probe.destroy();
  const original = Object.getOwnPropertyDescriptor(kind, "getMappedRange") as PropertyDescriptor;
  const broken = () => {
    throw new RangeError("Array buffer allocation failed");
  };
  Object.defineProperty(kind, "getMappedRange", { ...original, value: broken });
  try {
    await expect(backend.read(weights)).rejects.toThrow("Array buffer allocation failed");
  } finally {
    Object.defineProperty(kind, "getMappedRange", original);
  }
  expect(await backend.read(weights)).toEqual(new Float32Array(1000).fill(3));
});
