/** A training step only replays: WebGPU calls are counted, for LeNet-5 with Adam at batch 64. */
import { expect, it } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import * as nn from "../../src/nn/index.ts";
import { adam } from "../../src/optim/index.ts";
import { lenet5 } from "../../src/recipes/index.ts";
import { compileAheadOfTime, PORTABLE } from "../../src/replay/compile.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { gpuBackend } from "../support/backend.ts";
import { countCalls } from "../support/count-calls.ts";

const { train } = syntheticDigits({ seed: 5, train: 640, test: 64 });

const settings = () => ({
  model: lenet5(),
  loss: nn.crossEntropy(),
  optimizer: adam({ learningRate: 1e-3 }),
  batchSize: 64,
  seed: 1,
});

async function lenetTrainer(): Promise<Trainer> {
  return Trainer.create(await gpuBackend(), settings());
}

it("a step is at most 16 dispatches in one pass, and nothing is created, written or mapped", async () => {
  const backend = await gpuBackend();
  const trainer = await lenetTrainer();
  const { program } = await trainer.trainProgram(train);
  await program.ready?.();
  program.run(8);
  await program.finished();
  const steps = 64;
  const { calls, stop } = countCalls(backend.device.raw);
  // The quickest of the submits: what else runs on this computer makes others take longer, and no clock leaves it out.
  let mainThread = Number.POSITIVE_INFINITY;
  for (let i = 0; i < steps; i += 8) {
    const begun = performance.now();
    program.run(8);
    mainThread = Math.min(mainThread, (performance.now() - begun) / 8);
  }
  stop();
  await program.finished();
  console.log(
    `LeNet-5 step: ${calls.dispatches / steps} dispatches, ${mainThread.toFixed(3)} ms of main thread`,
  );
  expect(calls.dispatches / steps).toBeLessThanOrEqual(16);
  expect(calls.dispatches / steps).toBe(program.describe().dispatches);
  expect(calls).toMatchObject({
    bindGroups: 0,
    buffers: 0,
    pipelines: 0,
    shaderModules: 0,
    writes: 0,
    maps: 0,
  });
  expect(calls.passes).toBe(calls.submits);
  expect(calls.submits).toBeLessThanOrEqual(steps / 8);
  // As promised; the quickest needs no room for what else runs.
  expect(mainThread).toBeLessThan(0.5);
});

it.each([0, 32])("a step is 16 dispatches on a GPU with subgroups of %i too", async (subgroupSize) => {
  const target = { ...PORTABLE, subgroupSize };
  const recording = await compileAheadOfTime(settings(), { train, target });
  expect(recording.train.dispatches).toHaveLength(16);
});

it("a whole epoch creates no objects and reads back rarely", async () => {
  const backend = await gpuBackend();
  const trainer = await lenetTrainer();
  await trainer.fit(train, { epochs: 1 });
  await (await trainer.trainProgram(train)).program.ready?.();
  const { calls, stop } = countCalls(backend.device.raw);
  const begun = performance.now();
  await trainer.fit(train, { epochs: 4 });
  const seconds = (performance.now() - begun) / 1000;
  stop();
  const steps = 40;
  expect(trainer.steps).toBe(50);
  expect(calls).toMatchObject({ bindGroups: 0, buffers: 0, pipelines: 0, shaderModules: 0, writes: 0 });
  // Submits of steps, and one copy for each reading of the ring.
  expect(calls.submits - calls.maps).toBeLessThanOrEqual(steps / 8 + 4);
  // Progress ten times a second, and at an epoch's end the last rows and a save point.
  expect(calls.maps).toBeLessThanOrEqual(seconds * 10 + 4 * 3);
});
