/** The networks of the examples against PyTorch: the losses of 20 steps from the same weights and batches, to 1e-3. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { network } from "../../examples/k-fold.js";
import { resnet } from "../../examples/resnet20.js";
import type { Dataset } from "../../src/data/dataset.ts";
import * as nn from "../../src/nn/index.ts";
import { openDevice } from "../../src/node/index.ts";
import * as optim from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import type { TrainerOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { loadStateDict, stateDict } from "../../src/train/state/state-dict.ts";
import { readJsonFixture } from "../support/fixtures.ts";
import { pattern, patternWeights } from "../support/pattern.ts";

const STEPS = 20;
const BATCH = 8;

let device: Backend;
beforeAll(async () => {
  device = await openDevice({ require: "webgpu" });
});
afterAll(() => device.close());

/** Batch s of 20 is `pattern(…, s)`. */
function batches(shape: readonly number[], labels: Pick<Dataset, "labels" | "classes">): Dataset {
  const size = BATCH * shape.reduce((product, extent) => product * extent, 1);
  const data = new Float32Array(STEPS * size);
  for (let s = 0; s < STEPS; s++) data.set(pattern(size, s), s * size);
  return { name: "pattern", split: "all", count: STEPS * BATCH, inputs: { data, shape }, ...labels };
}

async function curve(options: Omit<TrainerOptions, "batchSize">, train: Dataset): Promise<number[]> {
  const trainer = await Trainer.create(device, { ...options, batchSize: BATCH, shuffle: false });
  const state = new Map(await stateDict(trainer));
  for (const [name, data] of patternWeights(trainer.parameters)) {
    state.set(name, { shape: trainer.parameters.get(name)!.shape, data });
  }
  await loadStateDict(trainer, state);
  const losses: number[] = [];
  await trainer.fit(train, { steps: STEPS, onSteps: (_, steps) => losses.push(...steps.map((s) => s.loss)) });
  return losses;
}

async function expectCurve(name: string, losses: readonly number[]) {
  const expected = (await readJsonFixture<Record<string, number[]>>("torch/examples.json"))[name]!;
  expect(losses.length).toBe(expected.length);
  losses.forEach((loss, i) => {
    expect(Math.abs(loss / expected[i]! - 1), `step ${i}: ${loss}, PyTorch ${expected[i]}`).toBeLessThan(
      1e-3,
    );
  });
}

it("ResNet-20", async () => {
  const labels = Int32Array.from({ length: STEPS * BATCH }, (_, i) => i % BATCH);
  const train = batches([3, 16, 16], { labels, classes: 10 });
  const optimizer = optim.sgd({ learningRate: 3e-4, momentum: 0.9, weightDecay: 1e-4 });
  await expectCurve("resnet20", await curve({ model: resnet(3), loss: nn.crossEntropy(), optimizer }, train));
});

it("the network of k-fold", async () => {
  const form = batches([13], { labels: new Float32Array(STEPS * BATCH) });
  const rows = form.inputs.data;
  const labels = form.labels.map((_, i) => rows[13 * i]! - rows[13 * i + 1]!) as Float32Array;
  const optimizer = optim.adam({ learningRate: 1e-2, weightDecay: 1e-3 });
  await expectCurve(
    "k_fold",
    await curve({ model: network(13), loss: nn.mse(), optimizer }, { ...form, labels }),
  );
});
