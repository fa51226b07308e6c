/** A fit that is stopped anywhere and resumed from its checkpoints ends as if it had never stopped, bit for bit. */
import { describe, expect, it } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import * as nn from "../../src/nn/index.ts";
import * as optim from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import type { History } from "../../src/train/loop/events.ts";
import type { FitOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import * as metrics from "../../src/train/metrics/metrics.ts";
import { resumeFrom } from "../../src/train/state/checkpoint-folder.ts";
import { FormatError } from "../../src/validation/errors.ts";
import { backends } from "../support/backend.ts";
import { MemoryFiles } from "../support/memory-files.ts";

const { train, test } = syntheticDigits({ seed: 3, train: 210, test: 60 });
const STEPS_PER_EPOCH = 11;

async function makeTrainer(open: () => Promise<Backend>, files: MemoryFiles, seed = 7): Promise<Trainer> {
  const backend = Object.assign(await open(), { files });
  return Trainer.create(backend, {
    model: nn.sequential(
      nn.flatten(),
      nn.linear(784, 12),
      nn.batchNorm1d(12),
      nn.dropout(0.2),
      nn.linear(12, 10),
    ),
    loss: nn.crossEntropy(),
    optimizer: optim.adamw({
      learningRate: optim.warmUp({ steps: 4 }, optim.cosine({ learningRate: 0.03, steps: 15 })),
      accumulate: 2,
      averageDecay: 0.9,
      clipNorm: 1,
    }),
    batchSize: 20,
    seed,
    metrics: [metrics.topK(3), metrics.f1()],
    trackGradientNorm: true,
  });
}

const options = {
  epochs: 3,
  validation: test,
  evaluateEvery: 4,
  earlyStopping: { monitor: "valF1", patience: Number.POSITIVE_INFINITY, restoreBest: true },
  checkpoints: { directory: "run", everySteps: 3, everyEpochs: 1, keep: 2 },
} satisfies FitOptions;

/** Without what a clock says. */
const timeless = ({ epochs, ...rest }: History) => ({
  ...rest,
  epochs: epochs.map(({ seconds: _, stepsPerSecond: __, ...record }) => record),
});

const cpu = async (): Promise<Backend> => new CpuBackend();

describe.each(backends)("on the %s", (kind, open) => {
  // In the middle of an epoch, at an evaluation, at an epoch's end, twice in one epoch.
  const stops = kind === "GPU" ? [8, 14] : [2, 8, 11, 14, 15, 25];

  it("after stops at every kind of moment: weights, moments, averages, generator, order, records, best weights", async () => {
    const straight = await makeTrainer(open, new MemoryFiles());
    const whole = await straight.fit(train, options);
    expect(whole.evaluations?.map((e) => e.step)).toEqual([4, 8, 12, 16, 20, 24, 28, 32]);

    const files = new MemoryFiles();
    let history: History | undefined;
    let trainer = await makeTrainer(open, files);
    for (const stop of [...stops, undefined]) {
      // Seeds of those that go on don't matter: their start weights and generators give way to the checkpoint's.
      trainer = await makeTrainer(open, files, stop === stops[0] ? 7 : 1000 + (stop ?? 0));
      const resume = await resumeFrom(trainer, "run");
      expect(resume === undefined).toBe(stop === stops[0]);
      const abort = new AbortController();
      history = await trainer.fit(train, {
        ...options,
        resume,
        signal: abort.signal,
        callbacks: [
          (event) => {
            if (stop !== undefined && event.event !== "end" && trainer.steps >= stop) abort.abort();
          },
        ],
        onSteps: (first, steps) => {
          if (stop !== undefined && first + steps.length >= stop) abort.abort();
        },
      });
      expect(history.aborted).toBe(stop !== undefined);
      expect((await files.list("run")).length).toBeLessThanOrEqual(2);
    }
    expect(timeless(history as History)).toEqual(timeless(whole));
    expect(await trainer.toSafetensors()).toEqual(await straight.toSafetensors());
    // What the best evaluation measured is measured again: its weights are back.
    const again = await trainer.evaluate(test);
    expect(again.metrics?.f1).toBe(whole.best?.value);

    // A run that is over is not run again.
    const over = await makeTrainer(open, files, 5);
    const resume = await resumeFrom(over, "run");
    expect(timeless(await over.fit(train, { ...options, resume }))).toEqual(timeless(whole));
    expect(await over.toSafetensors()).toEqual(await straight.toSafetensors());
  });
});

it("skips damaged checkpoints and reports them; rejects where all are damaged", async () => {
  const files = new MemoryFiles();
  const checkpoints = { directory: "run", everySteps: 4 };
  await (await makeTrainer(cpu, files)).fit(train, { steps: 10, checkpoints });
  const names = (await files.list("run")).sort();
  expect(names.map((name) => Number(name.slice(5, 17)))).toEqual([4, 8, 10]);
  const [first, second, third] = names.map((name) => `run/${name}`) as [string, string, string];
  const spoil = (path: string, change: (bytes: Uint8Array) => Uint8Array) =>
    files.files.set(path, change(files.files.get(path) as Uint8Array));
  spoil(third, (bytes) => bytes.subarray(0, bytes.length - 7));
  spoil(second, (bytes) => bytes.map((byte, i) => (i === bytes.length - 9 ? byte ^ 4 : byte)));
  const told: string[] = [];
  const trainer = await makeTrainer(cpu, files);
  const before = await trainer.toSafetensors();
  const state = await resumeFrom(trainer, "run", (path, reason) => void told.push(`${path} ${reason}`));
  expect(state?.step).toBe(4);
  expect(told).toEqual([
    expect.stringMatching(new RegExp(`^${third} .*damaged`)),
    expect.stringMatching(new RegExp(`^${second} .*damaged: its checksum is [0-9a-f]{8}, the file says`)),
  ]);
  for (const at of [0, 9, 40, 600]) {
    files.files.set(first, (files.files.get(third) as Uint8Array).subarray(0, at));
    await expect(resumeFrom(await makeTrainer(cpu, files), "run")).rejects.toThrow(FormatError);
  }
  const untouched = await makeTrainer(cpu, files);
  await expect(resumeFrom(untouched, "run")).rejects.toThrow(/none of its 3 checkpoints can be used/);
  expect(await untouched.toSafetensors()).toEqual(before);
});

it("a learning rate set by a callback survives; files left by a killed writer are removed", async () => {
  const files = new MemoryFiles();
  await files.write("run/.step-000000000003.safetensors.12.ab.tmp", new Uint8Array(3));
  const trainer = await makeTrainer(cpu, files);
  const checkpoints = { directory: "run", everyEpochs: 1 };
  const halve = [() => trainer.setLearningRate(0.004)];
  await trainer.fit(train, { epochs: 1, checkpoints, callbacks: halve });
  await trainer.fit(train, { epochs: 1 });
  const resumed = await makeTrainer(cpu, files);
  const resume = await resumeFrom(resumed, "run");
  await resumed.fit(train, { epochs: 2, resume });
  expect(await resumed.toSafetensors()).toEqual(await trainer.toSafetensors());
  expect(await files.list("run")).toEqual(["step-000000000011.safetensors"]);
});

describe("early stopping", () => {
  const fitting = async (fitOptions: Partial<FitOptions>) => {
    const trainer = await Trainer.create(new CpuBackend(), {
      model: nn.sequential(nn.flatten(), nn.linear(784, 10)),
      loss: nn.crossEntropy(),
      // So large a rate that epochs get worse as well as better.
      optimizer: optim.sgd({ learningRate: 1.5 }),
      batchSize: 20,
      seed: 3,
    });
    const history = await trainer.fit(train, { epochs: 12, validation: test, ...fitOptions });
    return { trainer, history };
  };

  it("ends after `patience` epochs without improvement and restores the best weights", async () => {
    const { history, trainer } = await fitting({ earlyStopping: { patience: 2, restoreBest: true } });
    const losses = history.epochs.map((e) => e.valLoss as number);
    const best = losses.indexOf(Math.min(...losses));
    expect(history.epochs).toHaveLength(best + 3);
    expect(losses.length).toBeLessThan(12);
    expect(history.best).toEqual({
      monitor: "valLoss",
      value: losses[best],
      epoch: best + 1,
      step: (best + 1) * STEPS_PER_EPOCH,
    });
    expect(history.stopped).toMatch(/^valLoss was no better than [\d.]+ of epoch \d+, 2 times in a row$/);
    expect((await trainer.evaluate(test)).loss).toBe(losses[best]);
  });

  it("ignores gains below minDelta, expects accuracy to rise, and can judge evaluations", async () => {
    const strict = await fitting({ earlyStopping: { monitor: "valAccuracy", patience: 1, minDelta: 1 } });
    expect(strict.history.epochs).toHaveLength(2);
    const often = await fitting({ evaluateEvery: 2, earlyStopping: { monitor: "valAccuracy", patience: 3 } });
    const values = often.history.evaluations?.map((e) => e.valAccuracy as number) ?? [];
    const last = values.slice(-3);
    expect(Math.max(...last)).toBeLessThanOrEqual(Math.max(...values.slice(0, -3)));
    expect(often.history.best?.step).toBe(2 * (values.indexOf(Math.max(...values)) + 1));
  });

  it("refuses what can't be monitored", async () => {
    await expect(fitting({ validation: undefined as never, earlyStopping: {} })).rejects.toThrow(
      /fit: earlyStopping goes by valLoss; give fit a validation set/,
    );
    await expect(fitting({ earlyStopping: { monitor: "valTop5" } })).rejects.toThrow(
      /epoch 1 has no valTop5; there are loss, accuracy, .*valLoss, valAccuracy.* with the trainer's `metrics`/,
    );
    await expect(fitting({ earlyStopping: { patience: 0 } })).rejects.toThrow(
      /patience must be a whole number/,
    );
    await expect(fitting({ steps: 3 })).rejects.toThrow(/fit: takes epochs or steps, not both/);
  });
});

it("steps in place of epochs: the last epoch is partial, and the next fit continues it", async () => {
  const trainer = await makeTrainer(cpu, new MemoryFiles());
  const { epochs } = await trainer.fit(train, { steps: 14 });
  expect(epochs.map((e) => e.epoch)).toEqual([1, 2]);
  expect(trainer.steps).toBe(14);
  await trainer.fit(train, { epochs: 1 });
  expect(trainer.steps).toBe(22);
  const straight = await makeTrainer(cpu, new MemoryFiles());
  await straight.fit(train, { epochs: 2 });
  expect(await trainer.toSafetensors()).toEqual(await straight.toSafetensors());
});
