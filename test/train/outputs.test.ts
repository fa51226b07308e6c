/** Outputs, labels and weights that do not fit each other are refused with both shapes when a step is traced. */
import { describe, expect, it } from "vitest";
import { parseCsv } from "../../src/data/csv/parse-csv.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { alignTo } from "../../src/data/prepare/align.ts";
import { type Shape, sizeOf } from "../../src/graph/spec.ts";
import { parameter, type Tensor } from "../../src/graph/tensor.ts";
import { DivergedError } from "../../src/index.ts";
import * as nn from "../../src/nn/index.ts";
import { abs, mean, reshape, sub } from "../../src/ops/index.ts";
import { adam, sgd } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import type { TrainerOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import * as metrics from "../../src/train/metrics/metrics.ts";
import { DataError, ShapeError, ValueError, WeftError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";

const COUNT = 16;
const values = (shape: Shape) =>
  Float32Array.from({ length: COUNT * sizeOf(shape) }, (_, i) => Math.sin(1.7 * i));
const base = { name: "points", split: "train", count: COUNT };
const ofClasses = (classes: number, shape: Shape = [4]): Dataset => ({
  ...base,
  inputs: { data: values(shape), shape },
  labels: Int32Array.from({ length: COUNT }, (_, i) => i % classes),
  classes,
});
const ofValues = (labelShape: Shape): Dataset => ({
  ...base,
  inputs: { data: values([4]), shape: [4] },
  labels: values(labelShape),
  labelShape,
});
const outputs = (n: number) => nn.linear(4, n);
const shaped = (n: number, shape: Shape) =>
  nn.sequential(outputs(n), (x: Tensor) => reshape(x, [x.shape[0] as number, ...shape]));

type Case = readonly [
  string,
  nn.Layer,
  nn.Loss,
  Dataset,
  RegExp,
  (Partial<TrainerOptions> & { readonly error?: unknown })?,
];
const own = (of: (output: Tensor, target: Tensor) => Tensor): nn.Loss => ({
  ...nn.mse(),
  build: (output, target, weights) => ({
    ...nn.mse().build(output, output, weights),
    loss: of(output, target),
  }),
});

const fewer =
  /output f32\[8, 3\] has 3 on axis 1, but data set points\/train has 5 classes, labels i32\[8\]; .* 5 outputs/;
const cases: readonly Case[] = [
  ["crossEntropy of 3 outputs for 5 classes", outputs(3), nn.crossEntropy(), ofClasses(5), fewer],
  ["the same smoothed", outputs(3), nn.crossEntropy({ labelSmoothing: 0.1 }), ofClasses(5), fewer],
  ["nll", nn.sequential(outputs(3), nn.logSoftmax()), nn.nll(), ofClasses(5), fewer],
  ["multiMargin", outputs(3), nn.multiMargin(), ofClasses(5), fewer],
  ["weighted", outputs(3), nn.crossEntropy({ classWeights: [1, 2, 3] }), ofClasses(5), fewer],
  ["4 outputs for 5", outputs(4), nn.crossEntropy(), ofClasses(5), /f32\[8, 4\] has 4 .* 5 classes/],
  [
    "one logit for two classes",
    outputs(1),
    nn.crossEntropy(),
    ofClasses(2),
    /f32\[8, 1\] has 1 .* 2 classes, .* 2 outputs, or take nn\.bceWithLogits and labels 0 and 1/,
  ],
  ["no axis of classes", shaped(1, []), nn.crossEntropy(), ofClasses(2), /logits must be .* got f32\[8\]/],
  [
    "an output per position",
    outputs(3),
    nn.crossEntropy(),
    ofClasses(3, [5, 4]),
    /labels must have shape \[8, 3\], got f32\[8, 5, 3\], i32\[8\]/,
  ],
  [
    "labels per position",
    outputs(3),
    nn.crossEntropy(),
    { ...ofClasses(3), labels: new Int32Array(COUNT * 5) },
    /labels must hold 16 values .* got 80/,
    { error: DataError },
  ],
  [
    "labels beyond the classes",
    outputs(3),
    nn.crossEntropy(),
    { ...ofClasses(5), classes: 3 },
    /label 3 of sample 3 is outside 0 \.\. 2/,
    { error: DataError },
  ],
  [
    "class loss of values",
    outputs(3),
    nn.crossEntropy(),
    ofValues([1]),
    /wants class numbers, but the labels are values, f32\[8, 1\]/,
    { error: DataError },
  ],
  [
    "value loss of classes",
    outputs(1),
    nn.bceWithLogits(),
    ofClasses(2),
    /wants values, but the labels are class numbers, i32\[8\]/,
    { error: DataError },
  ],
  [
    "[N] against [N, 1]",
    shaped(1, []),
    nn.mse(),
    ofValues([1]),
    /mse: .* one shape, got f32\[8\], f32\[8, 1\]/,
  ],
  ["[N, 3] against [N, 1]", outputs(3), nn.huber(), ofValues([1]), /huber: .* got f32\[8, 3\], f32\[8, 1\]/],
  ["[N, 1] against [N, 3]", outputs(1), nn.l1(), ofValues([3]), /l1: .* got f32\[8, 1\], f32\[8, 3\]/],
  [
    "[N, 2, 3] against [N, 3, 2]",
    shaped(6, [2, 3]),
    nn.mse(),
    ofValues([3, 2]),
    /f32\[8, 2, 3\], f32\[8, 3, 2\]/,
  ],
  ["bce of other columns", outputs(2), nn.bceWithLogits(), ofValues([3]), /f32\[8, 2\], f32\[8, 3\]/],
  [
    "probabilities of other classes",
    outputs(3),
    nn.crossEntropy({ probabilities: true }),
    ofValues([2]),
    /probabilities must have shape \[8, 3\].* got f32\[8, 3\], f32\[8, 2\]/,
  ],
  [
    "class weights for others",
    outputs(3),
    nn.crossEntropy({ classWeights: [1, 2] }),
    ofClasses(3),
    /crossEntropy: classWeights must have one value for each of the 3 classes .* got f32\[8, 3\], f32\[2\]/,
  ],
  [
    "nll's",
    outputs(3),
    nn.nll({ classWeights: [1, 2, 3, 4] }),
    ofClasses(3),
    /nll: classWeights .* f32\[4\]/,
  ],
  [
    "posWeight for others",
    outputs(3),
    nn.bceWithLogits({ posWeight: [1, 2] }),
    ofValues([3]),
    /f32\[8, 3\], f32\[2\]/,
  ],
  [
    "posWeight per sample",
    outputs(1),
    nn.bceWithLogits({ posWeight: Array(8).fill(1) }),
    ofValues([1]),
    /posWeight must/,
  ],
  [
    "a loss per sample",
    outputs(1),
    own((output, target) => abs(sub(output, target))),
    ofValues([1]),
    /the loss must be one number, got f32\[8, 1\] of output f32\[8, 1\] and labels f32\[8, 1\]/,
  ],
  [
    "topK of more than there are",
    outputs(3),
    nn.crossEntropy(),
    ofClasses(3),
    /metrics\.topK: k is 4, but the output f32\[8, 3\] has 3 classes/,
    { metrics: [metrics.topK(4)] },
  ],
  [
    "accuracy of fewer outputs than classes",
    outputs(3),
    { ...nn.crossEntropy(), outputPerClass: false, build: (o, _t, w) => nn.mse().build(o, o, w) },
    ofClasses(5),
    /metrics\.accuracy: class numbers need an output per class, got f32\[8, 3\] for 5 classes/,
    { metrics: [metrics.accuracy()] },
  ],
  [
    "a metric of values turned about",
    shaped(6, [2, 3]),
    own((output) => mean(output)),
    ofValues([3, 2]),
    /metrics\.mae: needs target values of the output's shape, got f32\[8, 3, 2\] for f32\[8, 2, 3\]/,
    { metrics: [metrics.mae()] },
  ],
  [
    "a custom metric without a value per sample",
    outputs(3),
    nn.crossEntropy(),
    ofClasses(3),
    /metrics: needs one value per sample, .* got f32\[24\]/,
    { metrics: [metrics.custom("odd", (prediction) => reshape(prediction, [-1]))] },
  ],
];

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];

describe.each(backends)("on the %s, refused before the first step:", (_, open) => {
  for (const [name, model, loss, data, message, { error = ShapeError, ...options } = {}] of cases) {
    it(name, async () => {
      const make = async () =>
        Trainer.create(await open(), {
          model,
          loss,
          optimizer: adam(),
          batchSize: 8,
          evalBatchSize: 8,
          ...options,
        });
      for (const work of [
        async () => (await make()).fit(data, { epochs: 1 }),
        async () => (await make()).evaluate(data),
      ]) {
        const failure = await work().then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(failure).toBeInstanceOf(error as typeof Error);
        expect((failure as Error).message).toMatch(message);
      }
    });
  }
});

it("a validation set that does not fit the model is refused before the first step", async () => {
  const trainer = await Trainer.create(new CpuBackend(), {
    model: outputs(3),
    loss: nn.crossEntropy(),
    optimizer: adam(),
    batchSize: 8,
  });
  for (const [validation, message] of [
    [ofClasses(5), /has 3 on axis 1, but data set points\/train has 5 classes/],
    [ofValues([1]), /wants class numbers, but the labels are values/],
    [ofClasses(3, [7]), /linear/],
    [{ ...ofClasses(5), classes: 3 }, /outside 0 \.\. 2/],
  ] as const) {
    const run = Promise.resolve(trainer.fit(ofClasses(3), { epochs: 1, validation }));
    await expect(run).rejects.toThrow(message);
    expect(trainer.steps).toBe(0);
  }
  await trainer.fit(ofClasses(3), { epochs: 1, validation: ofClasses(2) });
  expect(trainer.steps).toBe(2);
});

it("a test set whose classes or columns are in another order than the training set's is refused", async () => {
  const table = (text: string, split: string) => parseCsv(text, { label: "y", split });
  const train = table("a,b,y\n1,2,cat\n2,3,dog\n3,4,emu\n", "train");
  const trainer = await Trainer.create(new CpuBackend(), {
    model: nn.linear(2, 3),
    loss: nn.crossEntropy(),
    optimizer: adam(),
    batchSize: 3,
  });
  // Without a dog, emu is class 1; with a fox, class 2 is another.
  const fewer = table("a,b,y\n1,2,cat\n3,4,emu\n", "test");
  const turned = table("b,a,y\n2,1,cat\n3,2,dog\n4,3,emu\n", "test");
  const refusals = [
    [fewer, 'CSV data/test: class 1 is "emu", in the training set (data set CSV data/train) it is "dog"'],
    [table("a,b,y\n1,2,cat\n2,3,dog\n3,4,fox\n", "test"), 'class 2 is "fox"'],
    [turned, 'column 0 is "b", in the training set'],
  ] as const;
  for (const [test, message] of refusals) {
    const run = Promise.resolve(trainer.fit(train, { epochs: 1, validation: test }));
    await expect(run).rejects.toThrow(message);
    expect(trainer.steps).toBe(0);
  }
  // Nothing is known of the order yet.
  await trainer.evaluate(turned);
  await trainer.fit(train, { epochs: 1 });
  for (const [test, message] of refusals) await expect(trainer.evaluate(test)).rejects.toThrow(message);
  const expected = await trainer.evaluate(train);
  expect(await trainer.evaluate(alignTo(turned, train))).toEqual(expected);
  await trainer.evaluate(alignTo(fewer, train));
  // Other things altogether, fewer of the same, and no names at all.
  await trainer.evaluate({ ...train, classNames: ["x", "y", "z"], columns: ["c", "d"] });
  await trainer.evaluate(table("a,b,y\n1,2,cat\n2,3,dog\n", "test"));
  const { classNames: _, columns: __, ...plain } = train;
  await trainer.evaluate(plain);
});

it("more outputs than classes, and [N, 1] for a metric of [N], are accepted", async () => {
  const options = { optimizer: adam(), batchSize: 8 };
  const spare = await Trainer.create(new CpuBackend(), {
    model: outputs(9),
    loss: nn.crossEntropy(),
    ...options,
  });
  expect((await spare.fit(ofClasses(3), { epochs: 1 })).epochs).toHaveLength(1);
  const flat = await Trainer.create(new CpuBackend(), {
    model: shaped(1, []),
    loss: { ...nn.mse(), build: (o, t, w) => nn.mse().build(o, reshape(t, o.shape), w) },
    metrics: [metrics.mse(), metrics.r2()],
    ...options,
  });
  const { loss, metrics: measured } = await flat.evaluate(ofValues([1]));
  expect(measured?.mse).toBeCloseTo(loss, 6);
});

it("class weights that are not finite are refused when the loss is created", () => {
  expect(() => nn.crossEntropy({ classWeights: [1, Number.NaN] })).toThrow(ValueError);
  expect(() => nn.nll({ classWeights: [Number.POSITIVE_INFINITY, 1] })).toThrow(/got Infinity for class 0/);
  expect(() => nn.bceWithLogits({ posWeight: [1, Number.NaN] })).toThrow(ValueError);
  expect(() => nn.crossEntropy({ classWeights: [0, 0, 0] })).toThrow(/all 0: nothing would be trained/);
  nn.crossEntropy({ classWeights: [0, 1] });
});

describe.each(backends)("losses that weigh samples, on the %s", (_, open) => {
  const still = { optimizer: sgd({ learningRate: 0 }), seed: 1 };
  const all = COUNT - 1;
  const cut = (set: Dataset): Dataset => ({
    ...set,
    count: all,
    inputs: { ...set.inputs, data: set.inputs.data.slice(0, 4 * all) as Float32Array },
    labels: set.labels.slice(0, all),
  });

  it.each([
    ["cross-entropy", () => nn.crossEntropy({ classWeights: [1, 5, 0.1] })],
    ["smoothed", () => nn.crossEntropy({ classWeights: [1, 5, 0.1], labelSmoothing: 0.2 })],
    ["one left out", () => nn.nll({ classWeights: [1, 5, 0.1], ignoreIndex: 1 })],
    ["without class weights", () => nn.crossEntropy({ ignoreIndex: 0 })],
  ])("with class weights the mean doesn't depend on batches: %s", async (_name, loss) => {
    const set = cut(ofClasses(3));
    const losses: number[] = [];
    for (const batch of [all, 4, 1]) {
      const options = { model: outputs(3), loss: loss(), ...still };
      const trainer = await Trainer.create(await open(), {
        ...options,
        batchSize: batch,
        evalBatchSize: batch,
      });
      const [epoch] = (await trainer.fit(set)).epochs;
      const { loss: evaluated } = await trainer.evaluate(set);
      losses.push(epoch?.loss ?? Number.NaN, evaluated);
    }
    for (const value of losses) expect(value).toBeCloseTo(losses[0] as number, 5);
  });

  it("ignored labels may be outside the classes, others may not", async () => {
    const set = ofClasses(3);
    const labels = Int32Array.from(set.labels, (label, i) => (i % 5 === 0 ? -1 : label));
    const kept = [...labels].flatMap((label, i) => (label < 0 ? [] : [i]));
    const { data } = set.inputs;
    const without: Dataset = {
      ...set,
      count: kept.length,
      inputs: {
        shape: [4],
        data: Float32Array.from([...kept].flatMap((i) => [...data.slice(4 * i, 4 * i + 4)])),
      },
      labels: Int32Array.from(kept, (i) => labels[i] as number),
    };
    for (const more of [{}, { maxResidentBytes: 160 }]) {
      const options = { model: outputs(3), ...still, batchSize: 4, evalBatchSize: 4, ...more };
      const loss = nn.crossEntropy({ ignoreIndex: -1 });
      const trainer = await Trainer.create(await open(), { ...options, loss });
      const [epoch] = (await trainer.fit({ ...set, labels })).epochs;
      const expected = await trainer.evaluate(without);
      expect(epoch?.loss).toBeCloseTo(expected.loss, 5);
      expect(epoch?.accuracy).toBeCloseTo(expected.accuracy as number, 6);
      expect((await trainer.evaluate({ ...set, labels })).loss).toBeCloseTo(expected.loss, 5);
      const usual = await Trainer.create(await open(), { ...options, loss: nn.crossEntropy() });
      await expect(usual.fit({ ...set, labels })).rejects.toThrow(/label -1 of sample 0 is outside 0 \.\. 2/);
    }
  });
});

it("the error of a diverged run tells whether that was before any update, or in an evaluation", async () => {
  const model = Object.assign(outputs(1), { weight: parameter([1, 4], Number.NaN, "weight") });
  const trainer = await Trainer.create(new CpuBackend(), {
    model,
    loss: nn.mse(),
    optimizer: adam(),
    batchSize: 8,
  });
  const training = Promise.resolve(trainer.fit(ofValues([1]), { epochs: 1 }));
  await expect(training).rejects.toThrow(DivergedError);
  await expect(training).rejects.toThrow(
    /became NaN at step 1, before any update; check the data, the labels/,
  );
  await expect(trainer.evaluate(ofValues([1]))).rejects.toThrow(
    /evaluation: the loss of batch 1 is NaN; check the weights/,
  );
  expect(new DivergedError("x")).toBeInstanceOf(WeftError);
});
