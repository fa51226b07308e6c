/**
 * Short runs of the recipes on data made here: with limits that a wrong gradient, a wrong loss or a lost sample would miss.
 * Real data: test/node/recipes.test.ts.
 */
import { describe, expect, it } from "vitest";
import { type Dataset, readSample, sampleSize, subset } from "../../src/data/dataset.ts";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { Random } from "../../src/numbers/random.ts";
import {
  leastSquares,
  type RecipeSettings,
  recipe,
  recipeData,
  recipeRun,
  vgg,
} from "../../src/recipes/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { predict } from "../../src/train/predict/predict.ts";
import { gpuBackend } from "../support/backend.ts";

const digits = syntheticDigits({ train: 1200, test: 400 });

/** Means of blocks of `factor` pixels, from the middle of the image: 28x28 to `side` x `side`, bytes. */
function shrunk(dataset: Dataset, side: number, factor: number): Dataset {
  const from = Math.floor((28 - side * factor) / 2);
  const data = new Uint8Array(dataset.count * side * side);
  for (let i = 0; i < dataset.count; i++) {
    for (let y = 0; y < side * factor; y++) {
      for (let x = 0; x < side * factor; x++) {
        const pixel = dataset.inputs.data[i * 784 + (from + y) * 28 + from + x] as number;
        const to = (i * side + Math.floor(y / factor)) * side + Math.floor(x / factor);
        data[to] = (data[to] as number) + Math.floor(pixel / factor ** 2);
      }
    }
  }
  return { ...dataset, inputs: { data, shape: [1, side, side], scale: 1 / 255 } };
}

/** 13 columns; the target is a bent function of some of them. */
function table(count: number, bend: number): Dataset {
  const random = new Random(9);
  const data = Float32Array.from({ length: count * 13 }, () => random.normal(3, 2));
  const labels = Float32Array.from({ length: count }, (_, i) => {
    const [a = 0, b = 0, c = 0] = data.subarray(i * 13);
    return 20 + a - 2 * b + bend * Math.tanh(c - 3) * Math.tanh(a - 3) + 0.5 * random.normal();
  });
  return { name: "table", split: "all", count, inputs: { data, shape: [13] }, labels, labelShape: [1] };
}

async function trained(
  name: string,
  backend: Backend,
  data: ReturnType<typeof recipeData>,
  settings: RecipeSettings,
) {
  const run = recipeRun(recipe(name), data.train, settings);
  const trainer = await Trainer.create(backend, run.trainer);
  await trainer.fit(data.train, { ...run.fit, validation: data.test });
  return { trainer, train: await trainer.evaluate(data.train), test: await trainer.evaluate(data.test) };
}

describe("Boston's networks, one sample at a time", () => {
  const lineOf = ({ train }: ReturnType<typeof recipeData>) =>
    leastSquares(
      Array.from({ length: train.count }, (_, i) => readSample(train, i)),
      train.labels,
    ).meanSquaredError;

  it("the linear one comes within 5 % of least squares, and predicts what it is measured by", async () => {
    const data = recipeData(recipe("boston-linear"), table(300, 4), { seed: 1 });
    const { trainer, train } = await trained("boston-linear", new CpuBackend(), data, { seed: 1 });
    const line = lineOf(data);
    expect(train.loss).toBeGreaterThanOrEqual(line * 0.9999);
    expect(train.loss).toBeLessThan(1.05 * line);
    const { values: predicted } = await predict(trainer, data.train);
    const errors = predicted.map((value, i) => (value - (data.train.labels[i] as number)) ** 2);
    expect(errors.reduce((a, b) => a + b, 0) / data.train.count).toBeCloseTo(train.loss, 3);
  });

  it("hidden units find the bend that no line has", async () => {
    for (const name of ["boston-13", "boston-13-13"]) {
      const data = recipeData(recipe(name), table(300, 6), { seed: 2 });
      const { train } = await trained(name, new CpuBackend(), data, { seed: 2, steps: 12_000 });
      expect(train.loss, name).toBeLessThan(0.35 * lineOf(data));
    }
  });
});

describe("small images, one at a time", () => {
  const small = { train: shrunk(digits.train, 8, 3), test: shrunk(digits.test, 8, 3) };
  /** Ink is the upper half here too. */
  const sixteenths = (d: Dataset): Dataset => {
    const data = Uint8Array.from(d.inputs.data, (v) => Math.min(16, Math.round(v / 12)));
    return { ...d, inputs: { data, shape: d.inputs.shape, scale: 1 / 16 } };
  };
  const parts = { train: sixteenths(small.train), test: sixteenths(small.test) };
  const accuracy = async (name: string, settings: RecipeSettings) => {
    const data = recipeData(recipe(name), parts, settings);
    const { train, test } = await trained(name, new CpuBackend(), data, { seed: 3, ...settings });
    return [train.accuracy as number, test.accuracy as number] as const;
  };

  it.each([
    ["digits-mlp-mse", { steps: 3000, options: { pixels: "grey" } }],
    ["digits-cnn", { steps: 1500, options: { biasPerPosition: true, pixels: "grey" } }],
    ["digits-cnn", { steps: 1500, options: { activation: "hardtanh", logSoftmax: true } }],
    ["digits-mlp-ce", { steps: 3000, options: { activation: "sign" } }],
  ] as const)("%s %j", async (name, settings) => {
    const [train, test] = await accuracy(name, settings);

    expect(train).toBeGreaterThan(0.7);
    expect(test).toBeGreaterThan(0.6);
  });

  it("usps-1v8 keeps the order of samples and learns both classes", async () => {
    const of16 = (d: Dataset): Dataset => {
      const half = shrunk(d, 14, 2);
      const data = new Float32Array(d.count * 256).fill(-1);
      for (let i = 0; i < d.count * 196; i++) {
        const [n, y, x] = [Math.floor(i / 196), Math.floor((i % 196) / 14), i % 14];
        data[n * 256 + (y + 1) * 16 + x + 1] = ((half.inputs.data[i] as number) / 255) * 2 - 1;
      }
      return { ...d, inputs: { data, shape: [1, 16, 16] } };
    };
    const data = recipeData(recipe("usps-1v8"), { train: of16(digits.train), test: of16(digits.test) });
    const { train, test } = await trained("usps-1v8", new CpuBackend(), data, { seed: 2, epochs: 20 });
    expect(sampleSize(data.train.inputs.shape)).toBe(256);
    expect(train.loss).toBeLessThan(0.1);
    expect(test.accuracy).toBeGreaterThan(0.85);
  });
});

describe("on a GPU", () => {
  const short = { train: subset(digits.train, 640), test: subset(digits.test, 200) };

  it.each([
    [
      "lenet5",
      0.65,
      { batchSize: 32, learningRate: 3e-3, clipNorm: 3, clipValue: 1, options: { batchNorm: true } },
    ],
    ["lenet5-best", 0.45, { batchSize: 32 }],
    ["mnist-small", 0.65, { batchSize: 20, learningRate: 3e-3 }],
  ] as const)("%s learns synthetic digits: accuracy above %d with %j", async (name, least, settings) => {
    const { test } = await trained(name, await gpuBackend(), short, { epochs: 2, seed: 1, ...settings });
    expect(test.accuracy).toBeGreaterThan(least);
  });

  it("a narrow VGG learns twenty pictures by heart", async () => {
    const random = new Random(6);
    const count = 20;
    const data: Dataset = {
      name: "noise",
      split: "train",
      count,
      inputs: {
        data: Float32Array.from({ length: count * 3072 }, () => random.normal()),
        shape: [3, 32, 32],
      },
      labels: Int32Array.from({ length: count }, (_, i) => i % 10),
      classes: 10,
    };
    const rule = { schedule: "constant", learningRate: 5e-3 } as const;
    const run = recipeRun(recipe("cifar10-vgg"), data, { steps: 12, batchSize: 20, ...rule });
    const { transform: _, ...options } = run.trainer;
    const trainer = await Trainer.create(await gpuBackend(), { ...options, model: vgg(4) });
    const { epochs } = await trainer.fit(data, { ...run.fit, validation: data });
    const losses = epochs.map(({ loss }) => loss);
    expect(losses.at(-1)).toBeLessThan(0.4 * (losses[0] as number));
  });
});
