/**
 * Data sets that are loaded in shards: every sample once per epoch, the same values as of a resident data set, the same bits
 * on resume, at most two shards in memory, and errors of reading.
 */
import { describe, expect, it } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import { columnsOfShards } from "../../src/data/inputs-and-labels.ts";
import { type ShardedDataset, shardsOf } from "../../src/data/sharded.ts";
import { formatSpec } from "../../src/graph/spec.ts";
import { input, state } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { adam } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { GpuBackend } from "../../src/runtime/gpu/backend.ts";
import { ResidentDataset } from "../../src/train/input/device-dataset.ts";
import { StreamedDataset } from "../../src/train/input/shard-loader.ts";
import { samplesOf, shardLayout, visitOf } from "../../src/train/input/shard-schedule.ts";
import type { TrainerOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import * as transforms from "../../src/transforms/index.ts";
import { gpuBackend } from "../support/backend.ts";
import { testGpu } from "../support/device.ts";
import { tinyImages } from "../support/tiny-images.ts";

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];

/** Samples that say who they are. */
function numbered(count: number, kind: "bytes" | "floats"): Dataset {
  const shape = [3];
  const values = Array.from({ length: 3 * count }, (_, i) => Math.floor(i / 3) + (i % 3));
  const data = kind === "bytes" ? Uint8Array.from(values) : Float32Array.from(values);
  const labels = Int32Array.from({ length: count }, (_, i) => i);
  return { name: "numbered", split: "train", count, inputs: { data, shape }, labels, classes: count };
}

/** Steps through `epochs` of a streamed data set; the labels of the samples that counted, per epoch. */
async function walk(backend: Backend, data: StreamedDataset, epochs: number, shuffled: boolean, first = 0) {
  const step = state([1], 0, "u32", "step");
  const key = input([2], "u32", "key");
  const { x, target, weights } = data.batch(step, shuffled ? key : undefined);
  const program = await backend.compile({ outputs: [x, target, weights] });
  if (shuffled) backend.write(key, Uint32Array.of(5, 1));
  const ready = data.loader(backend, shuffled ? async () => [5, 1] : undefined).begin();
  const seen: number[][] = [];
  for (let s = first; s < epochs * data.stepsPerEpoch; s++) {
    expect(await ready(s)).toBeGreaterThan(0);
    backend.write(step, Uint32Array.of(s));
    program.run();
    const [values, labels, counts] = [
      await program.read(x),
      await program.read(target),
      await program.read(weights),
    ];
    const epoch = Math.floor(s / data.stepsPerEpoch);
    seen[epoch] ??= [];
    labels.forEach((label, b) => {
      // Sample and label belong together, in padding too.
      const bytes = data.dataset.columns.inputs!.dtype === "u8";
      expect([values[3 * b], values[3 * b + 2]]).toEqual(
        [label, label + 2].map((v) => (bytes ? v & 255 : v)),
      );
      if (counts[b] === 1) seen[epoch]!.push(label);
    });
  }
  return seen;
}

const sorted = (labels: readonly number[]) => [...labels].sort((a, b) => a - b);
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

describe.each(backends)("on the %s", (_, open) => {
  it.each([
    ["bytes", 203, 8, 600, 6],
    ["bytes", 96, 4, 220, 8],
    ["floats", 61, 5, 170, 13],
    ["floats", 7, 16, 1e6, 1],
  ] as const)(
    "%s: each of %d samples once per epoch, batches of %d in %d bytes",
    async (kind, count, batch, most, shards) => {
      const data = new StreamedDataset(columnsOfShards(shardsOf(numbered(count, kind))), batch, most, 1e6);
      expect(data.layout.shards).toBe(shards);
      const seen = await walk(await open(), data, 3, true);
      for (const labels of seen) expect(sorted(labels)).toEqual(upTo(count));
      expect(seen[1]).not.toEqual(seen[0]);
      expect(seen[2]).not.toEqual(seen[1]);
      // A run that begins in the middle sees what is left.
      const steps = Math.floor(1.4 * data.stepsPerEpoch);
      const rest = await walk(await open(), data, 3, true, steps);
      expect(rest[2]).toEqual(seen[2]);
      expect(rest[1]).toEqual(seen[1]!.slice((steps % data.stepsPerEpoch) * batch).slice(-rest[1]!.length));
    },
  );
  it.each([
    ["bytes", 203, 8, 600],
    ["floats", 61, 5, 240],
    ["bytes", 50, 4, 1e6],
  ] as const)("%s: the same in pieces of four samples", async (kind, count, batch, most) => {
    const { data, reads } = watched(numbered(count, kind));
    const whole = new StreamedDataset(columnsOfShards(shardsOf(numbered(count, kind))), batch, most, 1e6);
    const pieces = new StreamedDataset(columnsOfShards(data), batch, most, 1e6, 1);
    const expected = await walk(await open(), whole, 2, true);
    expect(await walk(await open(), pieces, 2, true)).toEqual(expected);
    expect(Math.max(...reads)).toBe(4);
  });
  it("in order where nothing is shuffled", async () => {
    const data = new StreamedDataset(columnsOfShards(shardsOf(numbered(45, "floats"))), 4, 220, 1e6);
    expect(await walk(await open(), data, 2, false)).toEqual([upTo(45), upTo(45)]);
  });
});

it("columns are the batch by name, resident and in shards", () => {
  const set = numbered(45, "floats");
  const sets = [
    new ResidentDataset(set).batches(4),
    new StreamedDataset(columnsOfShards(shardsOf(set)), 4, 220, 1e6),
  ];
  const step = state([1], 0, "u32", "step");
  for (const data of sets) {
    const { columns, weights } = data.columns(step, undefined);
    expect(Object.entries(columns).map(([name, t]) => `${name} ${formatSpec(t)}`)).toEqual([
      "inputs f32[4, 3]",
      "labels i32[4]",
    ]);
    expect(formatSpec(weights)).toBe("f32[4]");
    expect(columns.inputs!.node.op.name).toBe("gatherBatch");
  }
});

it("a loader whose key has changed starts again in the order of the new key", async () => {
  const backend = new CpuBackend();
  const data = new StreamedDataset(columnsOfShards(shardsOf(numbered(45, "floats"))), 4, 220, 1e6);
  const step = state([1], 0, "u32", "step");
  const keyTensor = input([2], "u32", "key");
  const { target } = data.batch(step, keyTensor);
  const program = await backend.compile({ outputs: [target] });
  let key: readonly [number, number] = [1, 0];
  const loader = data.loader(backend, async () => key);
  const firsts: number[] = [];
  for (const seed of [1, 2, 3]) {
    key = [seed, 0];
    backend.write(keyTensor, Uint32Array.from(key));
    await loader.begin()(0);
    program.run();
    const [start, count] = samplesOf(0, data.layout, key);
    const there = new Set(upTo(count).map((i) => (start + i) % 45));
    expect(Array.from(await program.read(target)).every((label) => there.has(label))).toBe(true);
    firsts.push(start);
  }
  expect(new Set(firsts).size).toBeGreaterThan(1);
});

describe("the order", () => {
  it.each([1, 7, 64, 65, 1000])(
    "of %d samples covers each once per epoch, wherever an epoch starts",
    (count) => {
      const layout = shardLayout("x", count, 8, [3, 4], 7 * 64, 1e9);
      for (let epoch = 0; epoch < 5; epoch++) {
        const seen: number[] = [];
        for (let shard = 0; shard < layout.shards; shard++) {
          const [start, n] = samplesOf(epoch * layout.shards + shard, layout, [3, 4]);
          for (let i = 0; i < n; i++) seen.push((start + i) % count);
        }
        expect(sorted(seen)).toEqual(upTo(count));
      }
    },
  );
  it("every epoch starts elsewhere and takes shards in another order", () => {
    const layout = shardLayout("x", 1000, 10, [3, 4], 7 * 200, 1e9);
    const starts = [0, 1, 2].map((epoch) =>
      upTo(10).map((k) => samplesOf(epoch * 10 + k, layout, [3, 4])[0]),
    );
    const orders = starts.map((s) => s.map((start) => ((start - Math.min(...s)) / 100) | 0).join());
    expect(new Set(starts.map((s) => Math.min(...s))).size).toBe(3);
    expect(new Set(orders).size).toBe(3);
  });
  it("knows the shard visit of every step", () => {
    const layout = shardLayout("x", 50, 4, [4, 4], 8 * 40, 1e9);
    expect(layout).toMatchObject({ size: 20, shards: 3, slots: 2, stepsPerShard: 5, stepsPerEpoch: 13 });
    expect([0, 4, 5, 12, 13].map((step) => visitOf(step, layout))).toEqual([
      { visit: 0, stepsLeft: 5 },
      { visit: 0, stepsLeft: 1 },
      { visit: 1, stepsLeft: 5 },
      { visit: 2, stepsLeft: 1 },
      { visit: 3, stepsLeft: 5 },
    ]);
  });
});

const bars = { train: tinyImages(200), test: tinyImages(170, 2, "test") };
const make = (backend: Backend, options: Partial<TrainerOptions> = {}) =>
  Trainer.create(backend, {
    model: nn.sequential(nn.flatten(), nn.linear(144, 12), nn.relu(), nn.linear(12, 10)),
    loss: nn.crossEntropy(),
    optimizer: adam({ learningRate: 3e-3 }),
    batchSize: 16,
    evalBatchSize: 20,
    seed: 7,
    transform: transforms.randomShift(1),
    ...options,
  });
/** Two shards of 48 samples. */
const small = { maxResidentBytes: 2 * 48 * 148 };

/** Counts what is read, and how much of it at a time. */
function watched(dataset: Dataset, fail?: (start: number) => void) {
  const source = shardsOf(dataset);
  const reads: number[] = [];
  const read: ShardedDataset["read"] = async (start, count) => {
    fail?.(start);
    reads.push(count);
    await new Promise((resolve) => setTimeout(resolve, 1));
    return source.read(start, count);
  };
  return { data: { ...source, read }, reads };
}

describe.each(backends)("a trainer on the %s", (_, open) => {
  it("trains, evaluates and continues from a file with the same bits", async () => {
    const backend = await open();
    const run = async (options: Partial<TrainerOptions>) => {
      const trainer = await make(backend, { ...small, ...options });
      const { epochs } = await trainer.fit(watched(bars.train).data, {
        epochs: 3,
        validation: bars.test,
      });
      return { trainer, epochs, bytes: await trainer.toSafetensors() };
    };
    const whole = await run({ stepsPerSubmit: 40 });
    expect(whole.epochs[2]!.loss).toBeLessThan(whole.epochs[0]!.loss);
    expect((await run({ stepsPerSubmit: 1 })).bytes).toEqual(whole.bytes);
    // Evaluation does not mind where the samples lie.
    const resident = await make(backend, { evalBatchSize: 20 });
    await resident.fromSafetensors(whole.bytes);
    const { loss, accuracy } = await resident.evaluate(bars.test);
    expect(whole.epochs[2]!.valAccuracy).toBe(accuracy);
    expect(whole.epochs[2]!.valLoss).toBeCloseTo(loss, 6);

    const first = await make(backend, { ...small, stepsPerSubmit: 2 });
    const { data } = watched(bars.train);
    await first.fit(data, { steps: 18 });
    const second = await make(backend, small);
    await second.fromSafetensors(await first.toSafetensors());
    await second.fit(data, { steps: 39 - 18 });
    expect(second.steps).toBe(39);
    expect(await second.toSafetensors()).toEqual(whole.bytes);
  });
});

it("a set that fits is read once and trains as one in memory does, bit for bit", async () => {
  const backend = await gpuBackend();
  const { data, reads } = watched(bars.train);
  const [streamed, resident] = [await make(backend), await make(backend)];
  await streamed.fit(data, { epochs: 2 });
  await resident.fit(bars.train, { epochs: 2 });
  expect(reads).toEqual([200]);
  expect(await streamed.toSafetensors()).toEqual(await resident.toSafetensors());
});

it("reads at most a shard at a time, one ahead, and holds two on the device", async () => {
  const { data, reads } = watched(bars.train);
  const trainer = await make(await gpuBackend(), small);
  const { program } = await trainer.trainProgram(data);
  const before = program.describe().stateBytes;
  const all = await (await make(await gpuBackend())).trainProgram(bars.train);
  // The set has 200 samples of 148 bytes, two shards 96.
  expect(all.program.describe().stateBytes - before).toBeGreaterThanOrEqual(100 * 148 - 512);
  await trainer.fit(data, { epochs: 2 });
  expect(Math.max(...reads)).toBeLessThanOrEqual(48);
  const samples = reads.reduce((sum, n) => sum + n, 0);
  expect(samples).toBeGreaterThanOrEqual(400);
  expect(samples).toBeLessThanOrEqual(400 + 2 * 48);
});

it("a run that goes back to an earlier step begins with that step's shards", async () => {
  const backend = await gpuBackend();
  const bytes = await (await make(backend, { seed: 8, ...small })).toSafetensors();
  const expected = await make(backend, { seed: 8, ...small });
  await expected.fromSafetensors(bytes);
  await expected.fit(shardsOf(bars.train), { steps: 5 });
  const trainer = await make(backend, { seed: 8, ...small });
  const { data } = watched(bars.train);
  await trainer.fit(data, { steps: 9 });
  await trainer.fromSafetensors(bytes);
  await trainer.fit(data, { steps: 5 });
  expect(trainer.steps).toBe(5);
  expect(await trainer.parameter("1.weight")).toEqual(await expected.parameter("1.weight"));
});

it("a lost device is replaced, and its shards are loaded again: the same bytes", async () => {
  const open = async (): Promise<GpuBackend> => {
    const adapter = await (await testGpu()).requestAdapter();
    return GpuBackend.open(adapter as GPUAdapter, { reopen: open });
  };
  const first = await open();
  const [undisturbed, trainer] = [await make(await gpuBackend(), small), await make(first, small)];
  await undisturbed.fit(bars.train, { epochs: 3 });
  let recovered = 0;
  for await (const { event } of trainer.fit(watched(bars.train).data, { epochs: 3 })) {
    if (event === "recovered") recovered++;
    if (event === "epoch" && trainer.steps === 26 && trainer.backend === first) first.device.raw.destroy();
  }
  expect(recovered).toBe(1);
  expect(await trainer.toSafetensors()).toEqual(await undisturbed.toSafetensors());
  await trainer.backend.close();
});

describe("refuses", () => {
  it("a limit below two batches", async () => {
    const trainer = await make(new CpuBackend(), { maxResidentBytes: 16 * 148 });
    await expect(trainer.evaluate(bars.train)).rejects.toThrow(
      /data set .*\/train: two shards of 20 samples, 148 bytes each, don't fit into 2368 bytes/,
    );
  });
  it("rejects with an error of reading when the data are needed, and continues when reading works again", async () => {
    let broken = true;
    const { data } = watched(bars.train, () => {
      if (broken) throw new Error("the disk is gone");
    });
    const trainer = await make(new CpuBackend(), small);
    const failing = async () => await trainer.fit(data, { epochs: 1 });
    await expect(failing()).rejects.toThrow("the disk is gone");
    broken = false;
    await trainer.fit(data, { epochs: 1 });
    expect(trainer.steps).toBe(13);
  });
  it("parts that are not as declared: too short, class out of range, NaN", async () => {
    const source = shardsOf(bars.train);
    const answering = (change: (part: Awaited<ReturnType<ShardedDataset["read"]>>) => object) => ({
      ...source,
      read: async (start: number, count: number) => {
        const part = await source.read(start, count);
        return { ...part, ...change(part) };
      },
    });
    const evaluate = async (data: ShardedDataset) => (await make(new CpuBackend(), small)).evaluate(data);
    await expect(evaluate(answering(({ inputs }) => ({ inputs: inputs.subarray(1) })))).rejects.toThrow(
      /from sample 0 on: inputs.data must hold 5760 values/,
    );
    await expect(evaluate(answering(({ labels }) => ({ labels: labels.map(() => 10) })))).rejects.toThrow(
      /label 10 of sample 0 is outside 0 .. 9/,
    );
    await expect(
      evaluate(answering(({ inputs }) => ({ inputs: Float32Array.from(inputs) }))),
    ).rejects.toThrow(/samples from 0 on: the inputs must be a Uint8Array/);
  });
});
