/** Inputs that come into memory when someone looks: trainers don't, everyone else sees what they would see anyway. */
import { beforeEach, describe, expect, it } from "vitest";
import { type Dataset, readSample, subset, take, validateDataset } from "../../src/data/dataset.ts";
import { BytesOnDemand, inputsOnDemand } from "../../src/data/lazy-inputs.ts";
import { normalize } from "../../src/data/prepare/standardize.ts";
import * as nn from "../../src/nn/index.ts";
import { adam } from "../../src/optim/index.ts";
import { compileAheadOfTime } from "../../src/replay/compile.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { gpuBackend } from "../support/backend.ts";
import { tinyImages } from "../support/tiny-images.ts";

const images = tinyImages(70);
let loads = 0;
let read = 0;

/** The images as they come from a file; every part is read into memory that has been used before, if there is some. */
function fromFile(whole = images): Dataset {
  const all = whole.inputs.data as Uint8Array;
  const bytes = new BytesOnDemand(
    async (offset, length, into) => {
      read += length;
      const part = into?.length === length ? into : new Uint8Array(length);
      part.set(all.subarray(offset, offset + length));
      return part;
    },
    () => {
      loads++;
      return all.slice();
    },
  );
  return { ...whole, inputs: inputsOnDemand(bytes, whole.inputs, all.length) };
}

beforeEach(() => {
  loads = 0;
  read = 0;
});

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];

describe.each(backends)("on the %s", (_, open) => {
  it.each([
    ["as it is", (dataset: Dataset) => dataset],
    ["rescaled", (dataset: Dataset) => normalize(dataset, { mean: 0.2, std: 0.5 })],
    ["the first 33", (dataset: Dataset) => subset(dataset, 33)],
    ["the first 33, rescaled", (dataset: Dataset) => normalize(subset(dataset, 33), { mean: 0.2, std: 0.5 })],
  ])("a set trains and is evaluated with the same bits, without being loaded: %s", async (_, change) => {
    const backend = await open();
    const run = async (dataset: Dataset) => {
      const trainer = await Trainer.create(backend, {
        model: nn.sequential(nn.flatten(), nn.linear(144, 10)),
        loss: nn.crossEntropy(),
        optimizer: adam(),
        batchSize: 16,
        seed: 3,
      });
      await trainer.fit(dataset, { epochs: 2 });
      return [await trainer.toSafetensors(), await trainer.evaluate(dataset)];
    };
    const changed = change(fromFile());
    const trained = await run(changed);
    expect(loads).toBe(0);
    // Once to train on it, once to evaluate on it.
    expect(read).toBe(2 * changed.count * 144);
    expect(trained).toEqual(await run(change(images)));
  });
});

it("whoever looks sees the bytes, loaded once, and may copy and pick", () => {
  const dataset = fromFile();
  expect(validateDataset(dataset)).toBe(dataset);
  expect(dataset.inputs.data).toEqual(images.inputs.data);
  expect(readSample(dataset, 7)).toEqual(readSample(images, 7));
  expect(take(dataset, [3, 1]).inputs.data).toEqual(take(images, [3, 1]).inputs.data);
  expect(subset(dataset, 5).inputs.data).toEqual(subset(images, 5).inputs.data);
  expect({ ...dataset.inputs, scale: 1 }.data).toEqual(images.inputs.data);
  expect(loads).toBe(1);
});

it("bytes that someone has changed are those that count", async () => {
  const dataset = fromFile();
  const rescaled = normalize(dataset, { mean: 0, std: 1 });
  dataset.inputs.data.fill(9);
  const trainer = await Trainer.create(new CpuBackend(), {
    model: nn.sequential(nn.flatten(), nn.linear(144, 10)),
    loss: nn.crossEntropy(),
    optimizer: adam(),
    batchSize: 16,
  });
  const nines = new Uint8Array(70 * 144).fill(9);
  const expected = await trainer.evaluate({ ...images, inputs: { ...images.inputs, data: nines } });
  expect(await trainer.evaluate(images)).not.toEqual(expected);
  expect(await trainer.evaluate(dataset)).toEqual(expected);
  expect(await trainer.evaluate(rescaled)).toEqual(expected);
});

it("a set is there when kernels are timed, and a run on it can be recorded, without being loaded", async () => {
  const settings = {
    model: nn.sequential(nn.flatten(), nn.linear(144, 10)),
    loss: nn.crossEntropy(),
    optimizer: adam(),
    batchSize: 16,
  };
  const seen: number[] = [];
  const stopwatch = async () => {
    seen.push(read);
    return 1;
  };
  const trainer = await Trainer.create(await gpuBackend(), { ...settings, tune: { store: null, stopwatch } });
  await trainer.trainProgram(fromFile());
  expect(seen.length).toBeGreaterThan(0);
  expect(Math.min(...seen)).toBe(70 * 144);

  // More than is read at a time.
  const many = take(
    images,
    Uint16Array.from({ length: 15_000 }, (_, i) => i % 70),
  );
  const onDemand = await compileAheadOfTime(settings, { train: fromFile(many), test: fromFile() });
  expect(loads).toBe(0);
  expect(onDemand).toEqual(await compileAheadOfTime(settings, { train: many, test: images }));
});
