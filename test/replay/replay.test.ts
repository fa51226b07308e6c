/**
 * Runs that were compiled ahead of time against the same runs by the trainer: equal bit for bit where kernels are chosen
 * for the same adapter. Recordings go through JSON, as they do in use.
 */
import { expect, test } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import { FormatError, ShapeError, ValueError } from "../../src/errors.ts";
import { GpuBackend } from "../../src/gpu/backend.ts";
import * as nn from "../../src/nn/index.ts";
import * as optim from "../../src/optim/index.ts";
import { Random } from "../../src/random.ts";
import { type RecordOptions, recordTraining } from "../../src/replay/record.ts";
import { targetOf } from "../../src/replay/recorder.ts";
import { openReplay } from "../../src/replay/replay.ts";
import { Trainer } from "../../src/train/trainer.ts";
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

/** Convolution, running statistics, random numbers in layers, a schedule, averages: all that has states of its own. */
const run = (seed = 3) => ({
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
  optimizer: optim.adam({ learningRate: optim.cosine({ learningRate: 0.01, steps: 30 }), clipNorm: 1 }),
  batchSize: 16,
  evalBatchSize: 10,
  seed,
});

async function openAdapter(): Promise<GPUAdapter> {
  const adapter = await (await testGpu()).requestAdapter();
  if (adapter === null) throw new Error("no adapter");
  return adapter;
}

async function replayed(what: Partial<RecordOptions> = {}, options = run()) {
  const recording = await recordTraining(options, { train, ...what });
  return { recording, replay: await openReplay(JSON.parse(JSON.stringify(recording)), await openAdapter()) };
}

test("training, evaluation, answers and weights are those of the trainer, bit for bit", async () => {
  const backend = await GpuBackend.open(await openAdapter());
  const trainer = await Trainer.create(backend, run());
  const losses: number[] = [];
  const onSteps = (_: number, steps: readonly { loss: number }[]) =>
    void losses.push(...steps.map(({ loss }) => loss));
  const { epochs } = await trainer.fit(train, { epochs: 2, onSteps });
  const metrics = await trainer.evaluate(held);

  const { replay } = await replayed({ test: held, predict: 2, target: targetOf(backend.device) });
  replay.upload("train", train.inputs.data, train.labels);
  replay.upload("test", held.inputs.data, held.labels);
  const own: number[] = [];
  expect(replay.stepsPerEpoch).toBe(4);
  const collect = {
    onSteps: (_: number, steps: readonly { loss: number }[]) =>
      void own.push(...steps.map(({ loss }) => loss)),
  };
  await replay.train(4, collect);
  const {
    seconds: _,
    stepsPerSecond: __,
    ...second
  } = epochs[1] as (typeof epochs)[number] & Record<string, unknown>;
  expect(second).toMatchObject(await replay.train(4, collect));
  expect(own).toEqual(losses);
  expect(own).toHaveLength(8);
  expect(replay.steps).toBe(8);
  expect(await replay.evaluate()).toEqual(metrics);
  const weights = await replay.weights();
  expect([...weights.keys()]).toEqual([...trainer.parameters.keys(), ...trainer.buffers.keys()]);
  for (const name of trainer.parameters.keys()) {
    expect(weights.get(name), name).toEqual(await trainer.parameter(name));
  }
  const x = Float32Array.from({ length: 2 * SIZE }, (_, i) => Math.sin(i));
  const before = await replay.predict(x);
  expect(before).toHaveLength(8);
  replay.setWeights(new Map([["8.bias", Float32Array.of(1, 2, 3, 4)]]));
  const bias = weights.get("8.bias") as Float32Array;
  const after = await replay.predict(x);
  after.forEach((value, i) => {
    expect(value).toBeCloseTo((before[i] as number) - (bias[i % 4] as number) + (i % 4) + 1, 4);
  });
  replay.close();
  await backend.close();
});

test("another seed than the recorded one gives that seed's run", async () => {
  const backend = await GpuBackend.open(await openAdapter());
  const target = targetOf(backend.device);
  const trainer = await Trainer.create(backend, run(11));
  const { epochs } = await trainer.fit(train, { epochs: 1 });
  const recording = await recordTraining(run(3), { train, target });
  const replay = await openReplay(recording, await openAdapter(), { seed: 11 });
  replay.upload("train", train.inputs.data, train.labels);
  expect((await replay.train(4)).loss).toBe(epochs[0]?.loss);
  replay.close();
  await backend.close();
});

test("a portable recording stays within guaranteed limits and trains the same way", async () => {
  const constant = { ...run(), optimizer: optim.adam({ learningRate: 0.01 }) };
  const { recording, replay } = await replayed({}, constant);
  expect(recording.needs.subgroupSize).toBe(0);
  expect(recording.needs.maxStorageBuffersPerShaderStage).toBeLessThanOrEqual(8);
  const code = recording.shaders.map((shader) => shader.code).join("\n");
  expect(code).not.toContain("subgroup");
  for (const { shader, entry } of recording.pipelines) {
    expect(recording.shaders[shader]?.code).toContain(`fn ${entry}(`);
  }
  replay.upload("train", train.inputs.data, train.labels);
  const { loss } = await replay.train(4);
  const backend = await GpuBackend.open(await openAdapter());
  const { epochs } = await (await Trainer.create(backend, constant)).fit(train, { epochs: 1 });
  // Other kernels add in another order.
  expect(loss).toBeCloseTo(epochs[0]?.loss as number, 4);
  replay.setLearningRate(0);
  const before = await replay.weights();
  await replay.train(1);
  expect((await replay.weights()).get("0.weight")).toEqual(before.get("0.weight"));
  replay.close();
  await backend.close();
});

test("what does not fit is refused by name", async () => {
  await expect(openReplay({}, await openAdapter())).rejects.toThrow(FormatError);
  await expect(openReplay({ weftRecording: 1 }, null)).rejects.toThrow("no adapter");
  await expect(openReplay({ weftRecording: 99 }, await openAdapter())).rejects.toThrow("format 99");
  await expect(recordTraining({ ...run(), detectAnomaly: true }, { train })).rejects.toThrow("detectAnomaly");
  const { recording, replay } = await replayed();
  await expect(replay.train(1)).rejects.toThrow("call upload first");
  await expect(replay.train(0)).rejects.toThrow(ValueError);
  await expect(replay.evaluate()).rejects.toThrow("no test");
  await expect(replay.predict(new Float32Array(1))).rejects.toThrow("predicts nothing");
  expect(() => replay.upload("train", new Float32Array(50 * SIZE), train.labels)).toThrow(
    "Uint8Array of 7200",
  );
  expect(() => replay.upload("train", train.inputs.data, held.labels)).toThrow(ShapeError);
  expect(() => replay.setWeights(new Map([["9.weight", Float32Array.of(1)]]))).toThrow("no weight 9.weight");
  expect(() => replay.setWeights(new Map([["8.bias", Float32Array.of(1)]]))).toThrow(ShapeError);
  expect(() => replay.setLearningRate(Number.NaN)).toThrow(ValueError);
  replay.close();
  const greedy = { ...recording, needs: { ...recording.needs, maxStorageBuffersPerShaderStage: 1000 } };
  await expect(openReplay(greedy, await openAdapter())).rejects.toThrow(
    "maxStorageBuffersPerShaderStage 1000",
  );
});
