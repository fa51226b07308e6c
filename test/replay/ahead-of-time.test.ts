/**
 * Runs that were compiled ahead of time against the same runs traced: equal bit for bit where kernels are chosen for the same
 * adapter. Programs are converted to JSON and back, as in use.
 */
import { expect, test } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import { input } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { Random } from "../../src/numbers/random.ts";
import { softmax } from "../../src/ops/reduce/softmax.ts";
import * as optim from "../../src/optim/index.ts";
import {
  type CompileAheadOptions,
  compileAheadOfTime,
  PORTABLE,
  recordTraining,
  targetOf,
} from "../../src/replay/compile.ts";
import { openRecording } from "../../src/replay/index.ts";
import { type OpenProgramOptions, openProgram } from "../../src/replay/trainer.ts";
import { GpuBackend } from "../../src/runtime/gpu/backend.ts";
import type { GpuRuntime } from "../../src/runtime/gpu/runtime.ts";
import type { AnyTrainer } from "../../src/train/loop/any-trainer.ts";
import type { TrainEvent } from "../../src/train/loop/events.ts";
import type { TrainerOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { predict } from "../../src/train/predict/predict.ts";
import { DeviceLostError, FormatError, ValueError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";
import { countCalls } from "../support/count-calls.ts";
import { testGpu } from "../support/device.ts";

const SHAPE = [1, 12, 12];
const SIZE = 144;

function images(count: number, split: string): Dataset {
  const random = new Random(7, count);
  return {
    name: "noise",
    split,
    count,
    inputs: {
      data: Uint8Array.from({ length: count * SIZE }, () => random.below(256)),
      shape: SHAPE,
      scale: 1 / 255,
      offset: -0.5,
    },
    labels: Int32Array.from({ length: count }, () => random.below(4)),
    classes: 4,
  };
}

const train = images(50, "train");
const held = images(23, "test");

/** Convolution, running statistics, random numbers in layers, a schedule, clipping, averages: all that has states. */
const settings = (seed = 3): TrainerOptions => ({
  model: nn.sequential(
    nn.conv2d(1, 4, 3, { padding: 1 }),
    nn.relu(),
    nn.maxPool2d(2),
    nn.batchNorm2d(4),
    nn.flatten(),
    nn.linear(144, 16),
    nn.tanh(),
    nn.dropout(0.25),
    nn.linear(16, 4),
  ),
  loss: nn.crossEntropy(),
  optimizer: optim.adam({
    learningRate: optim.cosine({ learningRate: 0.01, steps: 30 }),
    clipNorm: 1,
    averageDecay: 0.9,
  }),
  batchSize: 16,
  evalBatchSize: 10,
  seed,
});

async function openAdapter(): Promise<GPUAdapter> {
  const adapter = await (await testGpu()).requestAdapter();
  if (adapter === null) throw new Error("no adapter");
  return adapter;
}

/** Runs on every adapter too, and compiles sooner on those of these tests than what suits GPUs. */
const QUICK = { ...PORTABLE, software: true };

async function opened(
  what: Partial<CompileAheadOptions> = {},
  options: TrainerOptions = settings(),
  opening: OpenProgramOptions = {},
) {
  const program = await compileAheadOfTime(options, { train, target: QUICK, ...what });
  return openProgram(JSON.stringify(program), await openAdapter(), opening);
}

test("opening a program compiles the kernels of training, and reports progress", async () => {
  const told: number[] = [];
  const { program } = await opened({ test: held }, settings(), {
    onCompile: ({ compiled, total }) => void told.push(compiled / total),
  });
  // All but the kernel that depends on the number of samples.
  const { length } = told;
  const own = new Set(program.train.dispatches.map(({ kernel }) => kernel)).size;
  expect(told).toEqual(Array.from({ length }, (_, i) => (i + 1) / length));
  expect(length).toBeGreaterThan(own / 2);
  expect(length).toBeLessThan(own);
  expect(length).toBeLessThan(program.kernels.length);
});

/** All that a run tells, without times. */
async function told(trainer: AnyTrainer, epochs: number) {
  const steps: number[] = [];
  const events: Omit<TrainEvent, "seconds">[] = [];
  const onSteps = (_: number, more: readonly { readonly loss: number }[]) =>
    void steps.push(...more.map(({ loss }) => loss));
  for await (const event of trainer.fit(train, { epochs, validation: held, onSteps })) {
    if (event.event !== "epoch") continue;
    const {
      seconds: _,
      stepsPerSecond: __,
      evalSeconds: ___,
      ...rest
    } = event as typeof event & { evalSeconds?: number };
    events.push(rest);
  }
  return { steps, events };
}

test("training, evaluation, predictions, files and weights equal those of the traced run, bit for bit", async () => {
  const backend = await GpuBackend.open(await openAdapter());
  const traced = await Trainer.create(backend, settings());
  const expected = await told(traced, 2);
  const x = input([1, ...SHAPE], "f32", "look");
  const options = settings();
  const looked = nn.build({ training: false }, () => softmax(nn.forward(options.model, x))).result;
  const replay = await opened(
    {
      test: held,
      predict: 10,
      programs: { look: { inputs: { x }, outputs: { shares: looked } } },
      target: targetOf(backend.device),
    },
    options,
  );
  expect(await told(replay, 2)).toEqual(expected);
  expect(expected.steps).toHaveLength(8);
  // Four classes and noise: kernels that wrote nothing would agree on 0.
  expect(expected.steps[0]).toBeGreaterThan(1);
  expect(replay.steps).toBe(8);
  expect(replay.parameterCount).toBe(traced.parameterCount);
  expect(await replay.toSafetensors()).toEqual(await traced.toSafetensors());
  expect(await replay.evaluate(held, { average: true })).toEqual(
    await traced.evaluate(held, { average: true }),
  );
  const { values: answers, ...shape } = await replay.predict(held);
  expect({ values: answers, ...shape }).toEqual(await predict(traced, held));
  const first = Float32Array.from(
    (held.inputs.data as Uint8Array).subarray(0, SIZE),
    (byte) => Math.fround(byte / 255) - 0.5,
  );
  const { shares } = await replay.run("look", { x: first });
  const total = answers.subarray(0, 4).reduce((sum, logit) => sum + Math.exp(logit), 0);
  shares?.forEach((share, i) => {
    expect(share).toBeCloseTo(Math.exp(answers[i] as number) / total, 5);
  });
  const profile = await replay.profile(train);
  if (replay.backend.timestamps) expect(profile?.map(({ label }) => label)).toContain("loss.crossEntropy");
  await replay.backend.close();
  await backend.close();
});

test("a run continues from a file, traced or compiled, and another seed gives the run of that seed", async () => {
  const backend = await GpuBackend.open(await openAdapter());
  const target = targetOf(backend.device);
  const traced = await Trainer.create(backend, settings(11));
  const whole = await traced.fit(train, { epochs: 2 });
  const first = await opened({ target }, settings(3), { seed: 11 });
  await first.fit(train, { epochs: 1 });
  const bytes = await first.toSafetensors();
  await first.backend.close();
  const second = await opened({ target }, settings(3), { seed: 11 });
  await second.fromSafetensors(bytes);
  expect(second.steps).toBe(4);
  const { epochs } = await second.fit(train, { epochs: 1 });
  expect(epochs[0]?.loss).toBe(whole.epochs[1]?.loss);
  expect(await second.toSafetensors()).toEqual(await traced.toSafetensors());
  await second.backend.close();
  await backend.close();
});

test("data sets of another size train as if compiled for them, and may change between fits", async () => {
  const backend = await GpuBackend.open(await openAdapter());
  const target = targetOf(backend.device);
  const traced = await Trainer.create(backend, settings());
  const more = images(77, "train");
  const replay = await opened({ train: images(33, "train"), test: images(41, "test"), target });
  for (const dataset of [more, train]) {
    const expected = await traced.fit(dataset, { epochs: 2 });
    const { epochs } = await replay.fit(dataset, { epochs: 2 });
    expect(epochs.map(({ loss, accuracy }) => [loss, accuracy])).toEqual(
      expected.epochs.map(({ loss, accuracy }) => [loss, accuracy]),
    );
  }
  expect(replay.steps).toBe(traced.steps);
  expect(await replay.evaluate(held)).toEqual(await traced.evaluate(held));
  expect(await replay.evaluate(more)).toEqual(await traced.evaluate(more));
  await replay.backend.close();
  await backend.close();
});

test("a data set smaller than the smallest buffer trains, too", async () => {
  const few = images(3, "train");
  const replay = await opened({ test: held });
  const traced = await Trainer.create(await gpuBackend(), settings());
  const [own, expected] = [await replay.fit(few, { epochs: 2 }), await traced.fit(few, { epochs: 2 })];
  expect(own.epochs[1]?.loss).toBeCloseTo(expected.epochs[1]?.loss as number, 4);
  expect(own.epochs[1]?.loss).toBeGreaterThan(0.1);
  // Of the same weights: gradients of biases before normalisation are noise, which Adam makes steps of.
  await traced.fromSafetensors(await replay.toSafetensors());
  expect((await replay.evaluate(few)).loss).toBeCloseTo((await traced.evaluate(few)).loss, 4);
  await replay.backend.close();
});

test("steps create nothing but command buffers, also after an evaluation of other data", async () => {
  const replay = await opened({ test: held });
  await replay.fit(train, { epochs: 1, validation: held });
  await replay.evaluate(images(40, "test"));
  const { program } = await replay.trainProgram(train);
  await program.ready?.();
  const { calls, stop } = countCalls((replay.backend as GpuRuntime).device.raw);
  program.run(4);
  await program.finished();
  stop();
  expect(calls).toMatchObject({ submits: 1, bindGroups: 0, buffers: 0, pipelines: 0, writes: 0, maps: 0 });
  await replay.backend.close();
});

test("a lost device is replaced, and the run goes on with the same bits", async () => {
  const undisturbed = await opened();
  const whole = await undisturbed.fit(train, { epochs: 3 });
  const replay = await opened({}, settings(), { reopen: openAdapter });
  const { device } = replay.backend as GpuRuntime;
  const kinds: string[] = [];
  const losses: number[] = [];
  for await (const event of replay.fit(train, { epochs: 3 })) {
    kinds.push(event.event);
    if (event.event === "epoch") losses.push(event.loss);
    if (event.event === "epoch" && event.epoch === 1) device.destroy();
  }
  expect(kinds).toContain("recovered");
  expect(losses).toEqual(whole.epochs.map(({ loss }) => loss));
  expect(await replay.toSafetensors()).toEqual(await undisturbed.toSafetensors());
  await replay.backend.close();
  await undisturbed.backend.close();
});

test("predictions are the same on another device after the first was lost outside of fit", async () => {
  const replay = await opened({ predict: 10 }, settings(), { reopen: openAdapter });
  await replay.fit(train, { epochs: 1 });
  const answers = await replay.predict(held);
  const weights = await replay.toSafetensors();
  for (const use of [
    async () => expect(await replay.predict(held)).toEqual(answers),
    async () => expect(await replay.toSafetensors()).toEqual(weights),
  ]) {
    (replay.backend as GpuRuntime).device.destroy();
    await use();
  }
  await replay.backend.close();
});

test("a portable program stays within guaranteed limits and trains the same way", async () => {
  const constant = { ...settings(), optimizer: optim.adam({ learningRate: 0.01 }) };
  const replay = await opened({ target: PORTABLE }, constant);
  const { subgroupSize, modules, kernels } = replay.program;
  expect(subgroupSize).toBe(0);
  expect(modules.map(({ code }) => code).join()).not.toContain("enable subgroups");
  for (const { layout } of kernels) expect(layout.match(/[rw]/g)?.length ?? 0).toBeLessThanOrEqual(8);
  const { epochs } = await replay.fit(train, { epochs: 1 });
  const backend = await GpuBackend.open(await openAdapter());
  const traced = await (await Trainer.create(backend, constant)).fit(train, { epochs: 1 });
  // Other kernels add in another order.
  expect(epochs[0]?.loss).toBeCloseTo(traced.epochs[0]?.loss as number, 4);
  replay.setLearningRate(0);
  const before = await replay.parameter("0.weight");
  await replay.fit(train, { steps: 1 });
  expect(await replay.parameter("0.weight")).toEqual(before);
  await replay.backend.close();
  await backend.close();
});

test("the former names still work", async () => {
  expect(recordTraining).toBe(compileAheadOfTime);
  expect(openRecording).toBe(openProgram);
});

test("what does not fit is refused with its name", async () => {
  await expect(openProgram({}, await openAdapter())).rejects.toThrow(FormatError);
  await expect(openProgram({ weftRecording: 1 }, await openAdapter())).rejects.toThrow("format 1");
  await expect(openProgram({ weftProgram: 99 }, await openAdapter())).rejects.toThrow("format 99");
  const whole = await compileAheadOfTime(settings(), { train, target: QUICK });
  await expect(openProgram(whole, null)).rejects.toThrow("no adapter");
  const watched = compileAheadOfTime({ ...settings(), detectAnomaly: true }, { train });
  await expect(watched).rejects.toThrow("can't have detectAnomaly");
  const narrow = { ...QUICK, limits: { ...QUICK.limits, maxStorageBuffersPerShaderStage: 2 } };
  await expect(compileAheadOfTime(settings(), { train, target: narrow })).rejects.toThrow(
    "maxStorageBuffersPerShaderStage is 2",
  );
  const small = { ...QUICK, limits: { ...QUICK.limits, maxStorageBufferBindingSize: 1000 } };
  await expect(compileAheadOfTime(settings(), { train, target: small })).rejects.toThrow(
    "maxStorageBufferBindingSize is 1000",
  );
  const replay = await opened();
  const { inputs, labels } = train;
  const floats = { ...inputs, data: Float32Array.from(inputs.data) };
  for (const [dataset, words] of [
    [{ ...train, inputs: { ...inputs, shape: [144] } }, "got samples [144] of bytes"],
    [{ ...train, inputs: floats }, "got samples [1, 12, 12] of floats"],
    [{ ...train, inputs: { ...inputs, scale: 1 } }, "of bytes with scale 1 and offset -0.5"],
    [{ ...train, labels: labels.map((label) => label + 9) }, "noise/train"],
  ] as const) {
    await expect(replay.fit(dataset, { epochs: 1 }), words).rejects.toThrow(words);
  }
  await expect(replay.evaluate(held)).rejects.toThrow("has no evaluation");
  // The bits of whole numbers, read as floats, are all but zero.
  const table = (data: Float32Array | Int32Array): Dataset => ({
    ...train,
    count: 2,
    inputs: { data, shape: [2] },
    labels: Int32Array.of(0, 3),
  });
  const linear = { ...settings(), model: nn.linear(2, 4) };
  const ofFloats = await compileAheadOfTime(linear, { train: table(new Float32Array(4)) });
  const tokens = await openProgram(ofFloats, await openAdapter());
  await expect(tokens.fit(table(Int32Array.of(1, 2, 3, 4)), { epochs: 1 })).rejects.toThrow(
    "of whole numbers",
  );
  await expect(replay.predict(held)).rejects.toThrow("predicts nothing");
  await expect(replay.run("look", {})).rejects.toThrow("no program look; there are none");
  expect(() => replay.setLearningRate(Number.NaN)).toThrow(ValueError);
  const wide = openProgram({ ...replay.program, subgroupSize: 77 }, await openAdapter());
  await expect(wide).rejects.toThrow("it is for subgroups of 77");
  await replay.backend.close();
});

test("a device that is lost while a program is compiled gives a DeviceLostError, and closes", async () => {
  const replay = await opened({ predict: 10 });
  (replay.backend as GpuRuntime).device.raw.destroy();
  await expect(replay.predict(held)).rejects.toThrow(DeviceLostError);
  await replay.backend.close();
});
