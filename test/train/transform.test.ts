/** Transforms in training: part of the step on the device, the same on every backend, the same bits on resume. */
import { describe, expect, it } from "vitest";
import * as nn from "../../src/nn/index.ts";
import { adam } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import type { TrainerOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import * as transforms from "../../src/transforms/index.ts";
import { gpuBackend } from "../support/backend.ts";
import { countCalls } from "../support/count-calls.ts";
import { tinyImages } from "../support/tiny-images.ts";

const train = tinyImages(90);
const test = tinyImages(70, 2, "test");

const augmented = transforms.compose(
  transforms.normalize(0.13, 0.31),
  transforms.randomCrop(12, { padding: 2, fill: -0.42 }),
  transforms.randomRotation(10, { fill: -0.42 }),
  transforms.cutout(3),
  transforms.centerCrop(10),
);

const make = (backend: Backend, options: Partial<TrainerOptions> = {}) =>
  Trainer.create(backend, {
    model: nn.sequential(nn.flatten(), nn.linear(100, 16), nn.relu(), nn.dropout(0.2), nn.linear(16, 10)),
    loss: nn.crossEntropy(),
    optimizer: adam({ learningRate: 3e-3 }),
    batchSize: 32,
    seed: 7,
    transform: augmented,
    ...options,
  });

const mixing = {
  transform: transforms.compose(augmented, transforms.mixup(0.3)),
  loss: nn.crossEntropy({ probabilities: true }),
};

const run = async (backend: Backend, options: Partial<TrainerOptions> = {}) => {
  const trainer = await make(backend, options);
  const { epochs } = await trainer.fit(train, { epochs: 2, validation: test });
  return { epochs, bytes: await trainer.toSafetensors() };
};

it.each([
  ["crops, rotation and cutout", {}],
  ["mixup", mixing],
])("%s: the GPU trains as the CPU reference does, over epochs with a partial batch", async (_, options) => {
  const [cpu, gpu] = [await run(new CpuBackend(), options), await run(await gpuBackend(), options)];
  cpu.epochs.forEach((epoch, i) => {
    for (const name of ["loss", "valLoss"] as const) {
      expect(Math.abs(epoch[name]! - gpu.epochs[i]![name]!), `${name} of epoch ${i + 1}`).toBeLessThan(1e-4);
    }
  });
  const plain = await run(new CpuBackend(), { transform: transforms.centerCrop(10) });
  expect(Math.abs(plain.epochs[1]!.loss - cpu.epochs[1]!.loss)).toBeGreaterThan(0.01);
});

it("gives the same bits whatever the submits, and when resumed in the middle of an epoch", async () => {
  const backend = await gpuBackend();
  const whole = await run(backend, { stepsPerSubmit: 6 });
  expect((await run(backend, { stepsPerSubmit: 1 })).bytes).toEqual(whole.bytes);
  const first = await make(backend, { stepsPerSubmit: 1 });
  const stop = new AbortController();
  await first.fit(train, {
    epochs: 2,
    signal: stop.signal,
    onSteps: (step) => step >= 0 && stop.abort(),
  });
  expect(first.steps).toBeLessThan(6);
  const second = await make(backend);
  await second.fromSafetensors(await first.toSafetensors());
  await second.fit(train, { epochs: first.steps < 3 ? 2 : 1 });
  expect(second.steps).toBe(6);
  expect(await second.toSafetensors()).toEqual(whole.bytes);
});

it("stays one pass: nothing is created, written or waited for in a step", async () => {
  const backend = await gpuBackend();
  const trainer = await make(backend, mixing);
  const { program } = await trainer.trainProgram(train);
  program.run(4);
  await program.finished();
  const { calls, stop } = countCalls(backend.device.raw);
  program.run(8);
  stop();
  await program.finished();
  expect(calls).toMatchObject({
    bindGroups: 0,
    buffers: 0,
    pipelines: 0,
    writes: 0,
    maps: 0,
    passes: 1,
    submits: 1,
  });
});

describe("evaluation", () => {
  it("is deterministic: only transforms without randomness are applied", async () => {
    const backend = new CpuBackend();
    const trainer = await make(backend);
    const first = await trainer.evaluate(test);
    expect(await trainer.evaluate(test)).toEqual(first);
    const fixed = transforms.compose(transforms.normalize(0.13, 0.31), transforms.centerCrop(10));
    expect(await (await make(backend, { transform: fixed })).evaluate(test)).toEqual(first);
  });
  it("counts correct predictions of targets that are probabilities", async () => {
    const plain = await (await make(new CpuBackend())).evaluate(test);
    const mixed = await (await make(new CpuBackend(), mixing)).evaluate(test);
    expect(mixed.accuracy).toBe(plain.accuracy);
    expect(mixed.loss).toBeCloseTo(plain.loss, 5);
  });
});

it("refuses mixed labels for a loss of class numbers", async () => {
  const trainer = await make(new CpuBackend(), { transform: mixing.transform });
  await expect(trainer.evaluate(test)).rejects.toThrow(/wants class numbers, but the labels are values/);
});
