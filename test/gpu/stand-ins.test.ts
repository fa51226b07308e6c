/**
 * Kernels that stand in for others until those are compiled: the same bits at every shape, fewer pipelines before the first
 * run, gone once a program runs on, and no failure of the others hidden.
 */
import { afterEach, describe, expect, it, vi } from "vitest";
import { Random } from "../../src/common/random.ts";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { type Shape, sizeOf } from "../../src/graph/spec.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { conv2d } from "../../src/ops/conv/conv2d.ts";
import { relu } from "../../src/ops/elementwise/activation.ts";
import { matmul } from "../../src/ops/linalg/matmul.ts";
import { maxPool2d } from "../../src/ops/pool/pool.ts";
import { adam } from "../../src/optim/index.ts";
import { lenet5 } from "../../src/recipes/index.ts";
import { GpuBackend } from "../../src/runtime/gpu/backend.ts";
import { PipelineCache } from "../../src/runtime/gpu/pipelines.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { testGpu } from "../support/device.ts";

const backends: GpuBackend[] = [];
async function open(standIns: boolean): Promise<GpuBackend> {
  const adapter = (await (await testGpu()).requestAdapter()) as GPUAdapter;
  const backend = await GpuBackend.open(adapter, { standIns });
  backends.push(backend);
  return backend;
}

afterEach(async () => {
  vi.restoreAllMocks();
  for (const backend of backends.splice(0)) await backend.close();
});

/** Where convolution blocks and linear layers have stand-ins. */
const expected = ({ device }: GpuBackend) => device.software && device.subgroupSize === 4;

/** What `make` makes of random inputs with every stand-in there is, and with none; how many there are. */
async function both(shapes: readonly Shape[], make: (...inputs: Tensor[]) => readonly Tensor[]) {
  const leaves = shapes.map((shape) => input(shape));
  const random = new Random(31);
  const values = shapes.map((shape) =>
    Float32Array.from({ length: sizeOf(shape) }, () => random.uniform() * 2 - 1),
  );
  const outputs = make(...leaves);
  const run = async (backend: GpuBackend) => {
    const program = await backend.compile({ outputs });
    leaves.forEach((leaf, i) => {
      backend.write(leaf, values[i] as Float32Array);
    });
    program.run();
    return {
      results: await Promise.all(outputs.map((t) => program.read(t))),
      count: program.image.dispatches.filter(({ fallback }) => fallback !== undefined).length,
    };
  };
  const { results: own } = await run(await open(false));
  vi.spyOn(PipelineCache.prototype, "useFallbacks").mockImplementation((choices) =>
    choices.map(({ fallback }) => fallback !== undefined),
  );
  for (const values of own) expect(values.some((value) => value !== 0)).toBe(true);
  const backend = await open(true);
  const { results, count } = await run(backend);
  return { own, results, count, backend };
}

describe("the same bits", () => {
  it.each([
    [[2, 1, 28, 28], [6, 1, 5, 5], 2],
    [[3, 6, 14, 14], [16, 6, 5, 5], 0],
    [[1, 2, 9, 31], [3, 2, 5, 5], 1],
    [[2, 3, 18, 19], [7, 3, 5, 5], 0],
  ])("of a convolution block, %j with %j and padding %i", async (x, w, padding) => {
    const { own, results, count, backend } = await both([x, w, [w[0] as number]], (a, k, b) => [
      maxPool2d(relu(conv2d(a as Tensor, k as Tensor, b, { padding })), 2),
    ]);
    expect(results).toEqual(own);
    if (expected(backend)) expect(count).toBe(1);
  });

  it.each([
    [64, 84, 120],
    [5, 7, 4],
    [33, 65, 32],
    [128, 128, 128],
  ])("of a product %i x %i x %i", async (m, k, n) => {
    const { own, results } = await both(
      [
        [m, k],
        [k, n],
      ],
      (a, b) => [matmul(a as Tensor, b as Tensor)],
    );
    expect(results).toEqual(own);
  });
});

const { train } = syntheticDigits({ seed: 5, train: 128, test: 1 });
const lenet = (backend: GpuBackend) =>
  Trainer.create(backend, {
    model: lenet5(),
    loss: nn.crossEntropy(),
    optimizer: adam(),
    batchSize: 64,
    seed: 1,
    stepsPerSubmit: 1,
  });

it("LeNet-5 compiles less before its first step, the rest while it trains, and learns the same bit for bit", async () => {
  const made = async (standIns: boolean) => {
    const backend = await open(standIns);
    const create = vi.spyOn(backend.device.raw, "createComputePipelineAsync");
    const trainer = await lenet(backend);
    const { program } = await trainer.trainProgram(train);
    const before = create.mock.calls.length;
    await trainer.fit(train, { steps: 3 });
    await program.ready?.();
    const after = create.mock.calls.length;
    await trainer.fit(train, { steps: 2 });
    expect(create.mock.calls.length).toBe(after);
    return { bytes: await trainer.toSafetensors(), before, after, backend };
  };
  const [hurried, whole] = [await made(true), await made(false)];
  expect(hurried.bytes).toEqual(whole.bytes);
  expect(whole.before).toBe(whole.after);
  expect(hurried.before).toBeLessThanOrEqual(whole.before);
  if (expected(hurried.backend)) expect(hurried.before).toBeLessThanOrEqual(whole.before - 1);
});

it("a program that runs once compiles nothing more, and one whose own kernels can't be had says so", async () => {
  const backend = await open(true);
  const trainer = await lenet(backend);
  const { program } = await trainer.trainProgram(train);
  const create = vi
    .spyOn(backend.device.raw, "createComputePipelineAsync")
    .mockRejectedValue(new Error("out of luck"));
  program.run();
  await program.finished();
  expect(create).not.toHaveBeenCalled();
  if (!expected(backend)) return;
  program.run();
  await expect(program.ready?.()).rejects.toThrow(/out of luck/);
  expect(() => program.run()).toThrow(/out of luck/);
});
