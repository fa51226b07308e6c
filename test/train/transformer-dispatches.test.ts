/** How many dispatches a training step of a GPT takes, counted on WebGPU's prototypes: per layer, and beside the layers. */
import { expect, it } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import * as nn from "../../src/nn/index.ts";
import { adamw } from "../../src/optim/index.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { gpuBackend } from "../support/backend.ts";
import { countCalls } from "../support/count-calls.ts";

const [COUNT, T, V] = [8, 16, 13];

const set: Dataset = {
  name: "tokens",
  split: "train",
  count: COUNT,
  inputs: { shape: [T], data: Int32Array.from({ length: COUNT * T }, (_, i) => (i * i) % V) },
  labels: Int32Array.from({ length: COUNT * T }, (_, i) => ((i + 1) * (i + 1)) % V),
  labelShape: [T],
  classes: V,
};

/** Dispatches of a step of a GPT with this number of layers, clipping and logging included, and their labels. */
async function dispatchesOf(layers: number): Promise<{ perStep: number; steps: readonly string[] }> {
  const backend = await gpuBackend();
  const trainer = await Trainer.create(backend, {
    model: nn.gpt({ vocabSize: V, contextLength: T, layers, heads: 2, embedSize: 16 }),
    loss: nn.crossEntropy({ classAxis: -1 }),
    optimizer: adamw({ learningRate: 1e-3, clipNorm: 1 }),
    batchSize: 4,
    seed: 1,
  });
  const { program } = await trainer.trainProgram(set);
  await program.ready?.();
  program.run(2);
  await program.finished();
  const { calls, stop } = countCalls(backend.device.raw);
  program.run(4);
  stop();
  await program.finished();
  expect(calls).toMatchObject({
    bindGroups: 0,
    buffers: 0,
    pipelines: 0,
    shaderModules: 0,
    writes: 0,
    maps: 0,
  });
  const { steps } = program.describe();
  expect(calls.dispatches / 4).toBe(steps.length);
  return { perStep: calls.dispatches / 4, steps };
}

it("a step of a GPT takes at most 14 dispatches per layer, and 14 beside", {
  timeout: 60_000,
}, async () => {
  const [two, four] = [await dispatchesOf(2), await dispatchesOf(4)];
  const perLayer = (four.perStep - two.perStep) / 2;
  const beside = two.perStep - 2 * perLayer;
  console.log(`GPT step: ${perLayer} dispatches per layer, ${beside} beside\n${two.steps.join("\n")}`);
  expect(perLayer).toBeLessThanOrEqual(14);
  expect(beside).toBeLessThanOrEqual(14);
});
