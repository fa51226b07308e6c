/** Memory does not grow: not with steps, and not with trainers and programs that were destroyed or that nobody refers to. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { constant, input, parameter } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { openDevice } from "../../src/node/device/open-device.ts";
import { add, matmul } from "../../src/ops/index.ts";
import { adam } from "../../src/optim/index.ts";
import type { GpuBackend } from "../../src/runtime/gpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { predict } from "../../src/train/predict/predict.ts";
import { countCalls } from "../support/count-calls.ts";
import { liveBuffers } from "../support/live-buffers.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

async function heapMegabytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return process.memoryUsage().heapUsed / 2 ** 20;
}

it("2,000 steps more take no more memory", async () => {
  const backend = (await openDevice({ backend: "webgpu" })) as GpuBackend;
  const { train } = syntheticDigits({ train: 80, test: 10 });
  const trainer = await Trainer.create(backend, {
    model: nn.sequential(nn.flatten(), nn.linear(784, 16), nn.relu(), nn.linear(16, 10)),
    loss: nn.crossEntropy(),
    optimizer: adam(),
    batchSize: 8,
  });
  await trainer.fit(train, { epochs: 20 });
  const before = await heapMegabytes();
  const { calls, stop } = countCalls(backend.device.raw);
  await trainer.fit(train, { epochs: 200 });
  stop();
  expect(trainer.steps).toBe(2200);
  expect(calls).toMatchObject({ buffers: 0, bindGroups: 0, pipelines: 0, shaderModules: 0 });
  const grown = (await heapMegabytes()) - before;
  console.log(`heap after 2,000 more steps: ${grown.toFixed(2)} MB more`);
  expect(grown).toBeLessThan(2);
  await backend.close();
});

/** Megabytes that this process takes, once all garbage is collected and what that frees is given back. */
async function residentMegabytes(): Promise<number> {
  await heapMegabytes();
  await heapMegabytes();
  return process.memoryUsage().rss / 2 ** 20;
}

describe.each(["destroyed", "dropped"] as const)("%s", (end) => {
  let backend: GpuBackend;
  beforeAll(async () => {
    backend = (await openDevice({ backend: "webgpu" })) as GpuBackend;
  });
  afterAll(() => backend.close());

  /** Does `once` 100 times and measures the last 70; what is left then must be nothing. */
  async function grows(once: (i: number) => Promise<void>): Promise<number> {
    const buffers = liveBuffers(backend.device.raw);
    let before = 0;
    for (let i = 0; i < 100; i++) {
      if (i === 30) before = await residentMegabytes();
      await once(i);
      if (end === "dropped" && i % 10 === 0) await heapMegabytes();
    }
    const grown = (await residentMegabytes()) - before;
    backend.memory.reader.trim();
    expect(buffers.labels()).toEqual([]);
    buffers.stop();
    return grown;
  }

  it("70 more trainers take no more memory", async () => {
    const { train, test } = syntheticDigits({ train: 320, test: 10 });
    const grown = await grows(async (i) => {
      // 0.4 MB of weights, 0.8 MB of moments, 1 MB of data.
      const trainer = await Trainer.create(backend, {
        model: nn.sequential(nn.flatten(), nn.linear(784, 128), nn.relu(), nn.linear(128, 10)),
        loss: nn.crossEntropy(),
        optimizer: adam(),
        batchSize: 32,
      });
      await trainer.fit(train, { steps: 1 });
      if (i % 10 === 0) await predict(trainer, test);
      if (end === "destroyed") trainer.destroy();
    });
    console.log(`70 trainers ${end}: ${grown.toFixed(1)} MB more`);
    expect(grown).toBeLessThan(30);
  });

  it("70 more programs take no more memory", async () => {
    const grown = await grows(async (i) => {
      const x = input([256, 256]);
      const w = parameter([256, 256], (random) =>
        Float32Array.from({ length: 65536 }, () => random.uniform(0, 1)),
      );
      const y = add(matmul(x, w), constant(new Float32Array(256 * 256).fill(i), [256, 256]));
      const program = await backend.compile({ outputs: [y] });
      backend.write(x, new Float32Array(256 * 256).fill(1));
      program.run();
      await program.finished();
      if (end === "destroyed") {
        program.destroy();
        backend.free(x);
        backend.free(w);
      }
    });
    console.log(`70 programs ${end}: ${grown.toFixed(1)} MB more`);
    expect(grown).toBeLessThan(20);
  });
});
