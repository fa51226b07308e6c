/** Training does not grow: 2,000 more steps leave GPU buffers and heap as they were. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic.ts";
import type { GpuBackend } from "../../src/gpu/backend.ts";
import * as nn from "../../src/nn/index.ts";
import { openDevice } from "../../src/node/device.ts";
import { adam } from "../../src/optim/index.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { countCalls } from "../support/count-calls.ts";

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
  const { train } = syntheticDigits({ train: 320, test: 10 });
  const trainer = await Trainer.create(backend, {
    model: nn.sequential(nn.flatten(), nn.linear(784, 16), nn.relu(), nn.linear(16, 10)),
    loss: nn.crossEntropy(),
    optimizer: adam(),
    batchSize: 32,
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
}, 120_000);
