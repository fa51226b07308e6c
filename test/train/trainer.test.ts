/** The trainer on every backend: it learns, is reproducible bit for bit, counts every sample, saves, loads and stops. */
import { describe, expect, it } from "vitest";
import { type Dataset, subset } from "../../src/data/dataset.ts";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { readSafetensors, writeSafetensors } from "../../src/io/safetensors.ts";
import * as nn from "../../src/nn/index.ts";
import { Random } from "../../src/numbers/random.ts";
import { adam, sgd } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import type { TrainEvent } from "../../src/train/loop/events.ts";
import type { TrainerOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { backends, gpuBackend } from "../support/backend.ts";

const digits = syntheticDigits({ seed: 3, train: 1000, test: 333 });

const mlp = () => nn.sequential(nn.flatten(), nn.linear(784, 32), nn.relu(), nn.linear(32, 10));

function makeTrainer(backend: Backend, options: Partial<TrainerOptions> = {}): Promise<Trainer> {
  return Trainer.create(backend, {
    model: mlp(),
    loss: nn.crossEntropy(),
    optimizer: adam({ learningRate: 3e-3 }),
    batchSize: 64,
    seed: 7,
    ...options,
  });
}

describe.each(backends)("on the %s", (_, open) => {
  it("learns synthetic digits, gives events and a history", async () => {
    const trainer = await makeTrainer(await open());
    const events: TrainEvent[] = [];
    for await (const event of trainer.fit(digits.train, { epochs: 3, validation: digits.test }))
      events.push(event);
    expect(events[0]).toMatchObject({
      event: "start",
      epochs: 3,
      stepsPerEpoch: 16,
      samples: 1000,
      parameters: 25450,
    });
    const epochs = events.filter((e) => e.event === "epoch");
    expect(epochs.map((e) => e.epoch)).toEqual([1, 2, 3]);
    expect(epochs[2]!.loss).toBeLessThan(epochs[0]!.loss);
    expect(epochs[2]!.accuracy).toBeGreaterThan(0.5);
    expect(epochs[2]!.valAccuracy).toBeGreaterThan(0.5);
    expect(events.at(-1)).toMatchObject({ event: "end", history: { aborted: false } });
    expect(trainer.steps).toBe(48);
  });

  it("counts every sample once when the last batch is not full", async () => {
    const backend = await open();
    const small = subset(digits.test, 77);
    const whole = await (await makeTrainer(backend, { evalBatchSize: 77 })).evaluate(small);
    const parts = await (await makeTrainer(backend, { evalBatchSize: 10 })).evaluate(small);
    expect(parts.accuracy! * 77).toBeCloseTo(whole.accuracy! * 77, 4);
    expect(parts.loss).toBeCloseTo(whole.loss, 5);
  });

  it("gives the same bytes for the same seed and others for another", async () => {
    const backend = await open();
    const run = async (seed: number, stepsPerSubmit: number) => {
      const trainer = await makeTrainer(backend, { seed, stepsPerSubmit });
      await trainer.fit(subset(digits.train, 300), { epochs: 2 });
      return trainer.toSafetensors();
    };
    const first = await run(7, 1);
    expect(await run(7, 50)).toEqual(first);
    expect(await run(8, 50)).not.toEqual(first);
  });

  it("continues from a saved file as if it had never stopped", async () => {
    const backend = await open();
    const data = subset(digits.train, 300);
    const straight = await makeTrainer(backend);
    await straight.fit(data, { epochs: 2 });
    const first = await makeTrainer(backend);
    await first.fit(data, { epochs: 1 });
    const second = await makeTrainer(backend, { seed: 7 });
    await second.fromSafetensors(await first.toSafetensors());
    expect(second.steps).toBe(5);
    await second.fit(data, { epochs: 1 });
    expect(await second.toSafetensors()).toEqual(await straight.toSafetensors());
  });
});

it("trains a regression with mse", async () => {
  const random = new Random(4);
  const inputs = Float32Array.from({ length: 200 * 3 }, () => random.uniform(-1, 1));
  const labels = Float32Array.from({ length: 200 }, (_, i) => 2 * inputs[3 * i]! - inputs[3 * i + 1]! + 0.5);
  const data: Dataset = {
    name: "plane",
    split: "train",
    count: 200,
    inputs: { data: inputs, shape: [3] },
    labels,
  };
  const trainer = await makeTrainer(await gpuBackend(), {
    model: nn.sequential(nn.linear(3, 1)),
    loss: nn.mse(),
    optimizer: sgd({ learningRate: 0.2, momentum: 0.9 }),
    batchSize: 32,
  });
  const history = await trainer.fit(data, { epochs: 30 });
  expect(history.epochs.at(-1)?.loss).toBeLessThan(1e-4);
  expect(history.epochs.at(-1)).not.toHaveProperty("accuracy");
  expect((await trainer.parameter("0.weight"))[0]).toBeCloseTo(2, 1);
});

it("stops within an epoch when aborted, and says so in the history", async () => {
  const trainer = await makeTrainer(await gpuBackend(), { stepsPerSubmit: 2 });
  const stop = new AbortController();
  const history = await trainer.fit(digits.train, {
    epochs: 1000,
    signal: stop.signal,
    callbacks: [(e) => (e.event === "epoch" && e.epoch === 2 ? stop.abort() : undefined)],
  });
  expect(history.aborted).toBe(true);
  expect(history.epochs).toHaveLength(2);
});

it("names the step at which the loss becomes NaN", async () => {
  const trainer = await makeTrainer(await gpuBackend(), { optimizer: sgd({ learningRate: 1e30 }) });
  await expect(trainer.fit(digits.train, { epochs: 2 })).rejects.toThrow(
    /the loss became (NaN|Infinity) at step \d+/,
  );
});

describe("bad input", () => {
  it("refuses options and data out of range", async () => {
    const backend = new CpuBackend();
    await expect(makeTrainer(backend, { batchSize: 0 })).rejects.toThrow(
      /batchSize must be a whole number of at least 1, got 0/,
    );
    await expect(makeTrainer(backend, { model: nn.sequential(nn.relu()) })).rejects.toThrow(/no parameters/);
    const trainer = await makeTrainer(backend);
    expect(() => trainer.fit(digits.train, { epochs: 0.5 })).toThrow(/epochs must be a whole number/);
    const labels = Int32Array.from(digits.train.labels);
    labels[17] = 10;
    await expect(trainer.fit({ ...digits.train, labels }, { epochs: 1 })).rejects.toThrow(
      /label 10 of sample 17/,
    );
    const regression = { ...digits.train, labels: new Float32Array(1000) };
    const { classes: _, classNames: __, ...values } = regression;
    await expect(trainer.fit(values, { epochs: 1 })).rejects.toThrow(/wants class numbers/);
  });

  it("refuses files that do not fit the model, names the difference, and keeps its values", async () => {
    const trainer = await makeTrainer(new CpuBackend());
    const before = await trainer.toSafetensors();
    const { tensors } = readSafetensors(before);
    const without = [...tensors].filter(([name]) => name !== "3.bias");
    await expect(trainer.fromSafetensors(writeSafetensors(without), "a.safetensors")).rejects.toThrow(
      /a\.safetensors: lacks 3\.bias/,
    );
    const other = [...tensors].map(([name, t]) =>
      name === "1.bias" ? ([name, { shape: [4, 8], data: t.data }] as const) : ([name, t] as const),
    );
    await expect(trainer.fromSafetensors(writeSafetensors(other))).rejects.toThrow(
      /1\.bias has shape \[4, 8\], the model expects \[32\]/,
    );
    const more = [...tensors, ["4.weight", { shape: [1], data: new Float32Array(1) }] as const];
    await expect(trainer.fromSafetensors(writeSafetensors(more))).rejects.toThrow(
      /holds 4\.weight, which the model does not have/,
    );
    expect(await trainer.toSafetensors()).toEqual(before);
  });

  it("takes a file with parameters only, as PyTorch writes", async () => {
    const trainer = await makeTrainer(new CpuBackend());
    const weights = [...trainer.parameters].map(
      ([name, t]) => [name, { shape: t.shape, data: new Float32Array(t.size).fill(0.25) }] as const,
    );
    await trainer.fromSafetensors(writeSafetensors(weights));
    expect((await trainer.parameter("3.bias"))[9]).toBe(0.25);
    await expect(async () => trainer.parameter("9.bias")).rejects.toThrow(
      /has no parameter 9\.bias; there are 1\.weight/,
    );
  });
});
