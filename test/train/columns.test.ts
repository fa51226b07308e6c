/**
 * Data sets with named columns on a device: every dtype and shape reaches a step as it is, resident and in shards, each sample once
 * per epoch; tokens and labels per position in a trainer with a model and a loss.
 */
import { describe, expect, it } from "vitest";
import { fromColumns, shardsOfColumns } from "../../src/data/columns.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { formatSpec } from "../../src/graph/spec.ts";
import { input, state, type Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import { mse } from "../../src/ops/loss/mean-losses.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { permute } from "../../src/ops/shape/transpose.ts";
import { adam } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { type DeviceDataset, ResidentDataset } from "../../src/train/input/device-dataset.ts";
import { PlacedDatasets } from "../../src/train/input/place-dataset.ts";
import { StreamedDataset } from "../../src/train/input/shard-loader.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import type { StepBatch } from "../../src/train/step/phase.ts";
import { gpuBackend } from "../support/backend.ts";

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];

/** Sample i holds i, up to signs and scales, in every column. */
function numbered(count: number) {
  const filled = (size: number, of: (i: number) => number) =>
    Array.from({ length: count * size }, (_, at) => of(Math.floor(at / size)));
  return fromColumns(
    {
      id: Uint32Array.from(filled(1, (i) => 2 ** 31 + i)),
      tokens: { data: Int32Array.from(filled(5, (i) => 16_777_217 - 2 * i)), shape: [5] },
      pixels: { data: Uint8Array.from(filled(3, (i) => i)), shape: [1, 3], scale: 0.5, offset: -1 },
      classes: { data: Uint8Array.from(filled(2, (i) => i)), shape: [2], as: "i32", classes: 256 },
      values: { data: Float32Array.from(filled(7, (i) => i + 0.25)), shape: [7] },
      doubled: { data: Float32Array.from(filled(1, (i) => i)), scale: 2 },
    },
    { name: "numbered" },
  );
}

const EXPECTED = ["u32[4]", "i32[4, 5]", "f32[4, 1, 3]", "i32[4, 2]", "f32[4, 7]", "f32[4]"];

/** What every column holds of sample i. */
const held = (i: number) => [2 ** 31 + i, 16_777_217 - 2 * i, i * 0.5 - 1, i, i + 0.25, 2 * i];

async function walk(backend: Backend, data: DeviceDataset, epochs: number, shuffled: boolean) {
  const step = state([1], 0, "u32", "step");
  const key = input([2], "u32", "key");
  const { columns, weights } = data.columns(step, shuffled ? key : undefined);
  const tensors = Object.values(columns);
  expect(tensors.map(formatSpec)).toEqual(EXPECTED);
  const program = await backend.compile({ outputs: [...tensors, weights] });
  await data.upload?.(backend);
  if (shuffled) backend.write(key, Uint32Array.of(5, 1));
  const ready = data.loader?.(backend, shuffled ? async () => [5, 1] : undefined).begin();
  const seen: number[][] = [];
  for (let s = 0; s < epochs * data.stepsPerEpoch; s++) {
    await ready?.(s);
    backend.write(step, Uint32Array.of(s));
    program.run();
    const values = await Promise.all(tensors.map((t) => program.read(t)));
    const counts = await program.read(weights);
    for (let b = 0; b < counts.length; b++) {
      const i = values[0]![b]! - 2 ** 31;
      held(i).forEach((value, column) => {
        const size = tensors[column]!.size / counts.length;
        const row = Array.from(values[column]!.subarray(b * size, (b + 1) * size));
        expect(row).toEqual(new Array(size).fill(value));
      });
      const epoch = Math.floor(s / data.stepsPerEpoch);
      seen[epoch] ??= [];
      if (counts[b] === 1) seen[epoch].push(i);
    }
  }
  return seen;
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

describe.each(backends)("on the %s", (_, open) => {
  it.each([
    ["resident", 45, (count: number) => new ResidentDataset(numbered(count)).batches(4)],
    ["in shards", 45, (count: number) => new StreamedDataset(shardsOfColumns(numbered(count)), 4, 1100, 1e6)],
    [
      "in one shard",
      7,
      (count: number) => new StreamedDataset(shardsOfColumns(numbered(count)), 4, 1e6, 1e6),
    ],
  ] as const)("%s: every column of each of %d samples once per epoch", async (how, count, make) => {
    const data = make(count);
    if (how === "in shards") expect((data as StreamedDataset).layout.shards).toBeGreaterThan(2);
    expect(await walk(await open(), data, 1, false)).toEqual([upTo(count)]);
    const epochs = await walk(await open(), data, 2, true);
    for (const seen of epochs) expect([...seen].sort((a, b) => a - b)).toEqual(upTo(count));
    expect(epochs[1]).not.toEqual(epochs[0]);
  });
});

it("is placed whole where it fits, else in shards", async () => {
  const places = new PlacedDatasets();
  const room = { maxTensorBytes: 1e6 };
  const set = numbered(45);
  expect((await places.place(set, 4, room)).upload).toBeDefined();
  expect(await places.place(set, 4, { ...room, maxResidentBytes: 1100 })).toBeInstanceOf(StreamedDataset);
  expect(await places.place(shardsOfColumns(set), 4, room)).toBeInstanceOf(StreamedDataset);
});

/** Next-token prediction: the label of each position is the token + 1 modulo 5; some are ignored. */
function language(count: number, ignored?: number): Dataset {
  const tokens = Int32Array.from({ length: count * 6 }, (_, i) => (i * 7 + Math.floor(i / 6)) % 5);
  const labels = tokens.map((t, i) => (ignored !== undefined && i % 4 === 0 ? ignored : (t + 1) % 5));
  const inputs = { data: tokens, shape: [6] };
  return { name: "language", split: "train", count, inputs, labels, classes: 5, labelShape: [6] };
}

/** Logits [N, C, T], as PyTorch's cross-entropy takes them. */
class Tagger {
  readonly embedding = nn.embedding(5, 8);
  readonly head = nn.linear(8, 5);

  forward(x: Tensor): Tensor {
    return permute(this.head.forward(this.embedding.forward(x)), [0, 2, 1]);
  }
}

describe.each(backends)("a trainer on the %s", (_, open) => {
  const make = async (loss: nn.Loss, more = {}) =>
    Trainer.create(await open(), {
      model: new Tagger(),
      loss,
      optimizer: adam({ learningRate: 0.05 }),
      batchSize: 8,
      evalBatchSize: 16,
      seed: 3,
      ...more,
    });

  it("learns labels per position from tokens, ignored ones and class weights among them", async () => {
    const loss = nn.crossEntropy({ ignoreIndex: 99, classWeights: [1, 2, 1, 1, 0.5] });
    const trainer = await make(loss);
    await trainer.fit(language(40, 99), { epochs: 15 });
    const result = await trainer.evaluate(language(37));
    expect(result.accuracy).toBe(1);
    expect(result.loss).toBeLessThan(0.3);
  });

  it("takes the columns inputs and labels, with the same bits, also in shards", async () => {
    const run = async (as: "columns" | "dataset", more = {}) => {
      const { inputs, labels, classes } = language(40);
      const columns = { inputs, labels: { data: labels, shape: [6], classes: classes! } };
      const trainer = await make(nn.crossEntropy(), { shuffle: false, ...more });
      await trainer.fit(as === "columns" ? fromColumns(columns) : language(40), { epochs: 2 });
      return Array.from(await trainer.parameter("head.weight"));
    };
    const expected = await run("dataset");
    expect(await run("columns")).toEqual(expected);
    expect(await run("columns", { maxResidentBytes: 1600 })).toEqual(expected);
    expect(await run("dataset", { maxResidentBytes: 1600 })).toEqual(expected);
  });

  it("refuses other columns by name", async () => {
    const trainer = await make(nn.crossEntropy());
    await expect(trainer.fit(numbered(8))).rejects.toThrow(
      /fit: data set numbered\/all has the columns id, tokens/,
    );
    await expect(trainer.evaluate(numbered(8))).rejects.toThrow(
      /evaluate: data set numbered\/all has the columns/,
    );
  });
});

describe.each(backends)("a step function on the %s", (_, open) => {
  /** The label is whether both tokens of a pair are the same; a mask says which rows count. */
  const pairs = (count: number) => {
    const a = Int32Array.from({ length: count }, (__, i) => i % 3);
    const b = Int32Array.from({ length: count }, (__, i) => Math.floor(i / 3) % 3);
    const mask = Float32Array.from({ length: count }, (__, i) => (i % 5 === 0 ? 0 : 1));
    const same = Float32Array.from(a, (v, i) => (mask[i] === 0 ? 1e6 : v === b[i] ? 1 : -1));
    return fromColumns({ a, unused: new Uint8Array(count), b, mask, same }, { name: "pairs" });
  };
  class Pairs {
    readonly a = nn.embedding(3, 4);
    readonly b = nn.embedding(3, 4);
  }
  const make = async (more = {}) => {
    const model = new Pairs();
    return Trainer.create(await open(), {
      model,
      optimizer: adam({ learningRate: 0.05 }),
      batchSize: 9,
      evalBatchSize: 7,
      seed: 2,
      step: ({ weights, ...columns }: StepBatch) => {
        const { a, b, mask, same } = columns as unknown as Record<"a" | "b" | "mask" | "same", Tensor>;
        const product = sum(mul(model.a.forward(a), model.b.forward(b)), { axes: 1 });
        return { loss: mse(product, same, { weights: mul(weights, mask) }) };
      },
      ...more,
    });
  };

  it("trains and is evaluated on named columns, resident and in shards", async () => {
    const losses: (number | undefined)[] = [];
    for (const more of [{}, { maxResidentBytes: 1300 }]) {
      const trainer = await make({ ...more, shuffle: false });
      await trainer.fit(pairs(100), { epochs: 40, validation: pairs(20) });
      losses.push((await trainer.evaluate(pairs(45))).loss);
    }
    expect(losses[0]).toBeLessThan(0.01);
    expect(losses[1]).toBe(losses[0]);
  });
});
