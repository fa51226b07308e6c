/**
 * Recipes on the published data, short: those of single samples to their goals, the others as far as a few seconds go.
 * `npm run recipes` does all of them in full.
 */
import { afterAll, beforeAll, describe, expect } from "vitest";
import { type Dataset, readSample, subset } from "../../src/data/dataset.ts";
import type { DatasetSource, TrainTest } from "../../src/data/published/dataset-source.ts";
import { datasetSources } from "../../src/data/published/index.ts";
import { loadDataset, openDevice } from "../../src/node/index.ts";
import { leastSquares, type RecipeSettings, recipe, recipeData, recipeRun } from "../../src/recipes/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { withRealData } from "../support/real-data.ts";

async function dataOf(name: string, dataDir: string, seed: number): Promise<TrainTest> {
  const source = Object.values(datasetSources).find((s) => s.name === recipe(name).dataset);
  const parts = await loadDataset(source as DatasetSource<Dataset | TrainTest>, { dataDir, download: false });
  return recipeData(recipe(name), parts, { seed });
}

async function trained(name: string, device: Backend, { train, test }: TrainTest, settings: RecipeSettings) {
  const run = recipeRun(recipe(name), train, settings);
  const trainer = await Trainer.create(device, run.trainer);
  await trainer.fit(train, { ...run.fit, validation: test });
  return { train: await trainer.evaluate(train), test: await trainer.evaluate(test) };
}

withRealData("usps", (realTest) => {
  realTest("usps-1v8 after 15 of its 80 epochs", async (dataDir) => {
    const data = await dataOf("usps-1v8", dataDir, 1);
    expect([data.train.count, data.test.count]).toEqual([200, 264 + 166]);
    const cpu = await openDevice({ backend: "cpu" });
    const { train, test } = await trained("usps-1v8", cpu, data, { seed: 1, epochs: 15 });
    expect(train.loss).toBeLessThan(2e-3);
    expect(train.accuracy).toBe(1);
    expect(test.accuracy).toBeGreaterThan(0.96);
  });
});

withRealData("boston", (realTest) => {
  realTest("boston recipes in full, one split", async (dataDir) => {
    const cpu = await openDevice({ backend: "cpu" });
    const data = await dataOf("boston-linear", dataDir, 1);
    const rows = Array.from({ length: data.train.count }, (_, i) => readSample(data.train, i));
    const line = leastSquares(rows, data.train.labels).meanSquaredError;
    const settings = { seed: 1 };
    const linear = await trained("boston-linear", cpu, data, settings);
    expect(linear.train.loss).toBeGreaterThanOrEqual(line * 0.9999);
    expect(linear.train.loss).toBeLessThan(1.05 * line);
    const one = await trained("boston-13", cpu, data, settings);
    expect(one.train.loss).toBeLessThan(8);
    expect(one.test.loss).toBeLessThan(27);
    const two = await trained("boston-13-13", cpu, data, settings);
    expect(two.train.loss).toBeLessThan(6);
    expect(two.test.loss).toBeLessThan(25);
  });
});

withRealData("digits", (realTest) => {
  realTest("digits recipes, a third of their steps, one split", async (dataDir) => {
    const cpu = await openDevice({ backend: "cpu" });
    for (const name of ["digits-mlp-mse", "digits-mlp-ce", "digits-cnn"]) {
      const steps = Math.round((recipe(name).steps ?? 0) / 3);
      const { train, test } = await trained(name, cpu, await dataOf(name, dataDir, 2), { seed: 2, steps });
      expect(test.accuracy, name).toBeGreaterThan(0.88);
      expect(train.accuracy, name).toBeGreaterThan(0.9);
    }
  });
});

describe("on the GPU", () => {
  let device: Backend;
  beforeAll(async () => {
    device = await openDevice({ backend: "webgpu" });
  });
  afterAll(() => device.close());

  /** A batch of 32 is learned by heart in 100 steps of Adam, or a gradient is wrong. */
  const byHeart = async (name: string, dataDir: string) => {
    const data = await dataOf(name, dataDir, 1);
    const batch = subset(data.train, 32);
    const rule = { optimizer: "adam", learningRate: 1e-3, schedule: "constant" } as const;
    const { train } = await trained(
      name,
      device,
      { train: batch, test: batch },
      { seed: 1, steps: 100, batchSize: 32, ...rule },
    );
    expect(train.accuracy, name).toBe(1);
    return train.loss;
  };

  withRealData("mnist", (realTest) => {
    realTest("LeNet-5 learns 32 digits by heart; mnist-small gets far in 100 steps", async (dataDir) => {
      expect(await byHeart("lenet5", dataDir)).toBeLessThan(1e-2);
      const data = await dataOf("mnist-small", dataDir, 1);
      const short = { train: data.train, test: subset(data.test, 1000) };
      const { test } = await trained(
        "mnist-small",
        device,
        { ...short, train: subset(data.train, 12_800) },
        { seed: 1, epochs: 1 },
      );
      expect(test.accuracy).toBeGreaterThan(0.82);
    });
  });

  withRealData("cifar10", (realTest) => {
    realTest("LeNet-5 learns 32 photographs by heart", async (dataDir) => {
      expect(await byHeart("lenet5-cifar10", dataDir)).toBeLessThan(0.1);
    });
  });
});
