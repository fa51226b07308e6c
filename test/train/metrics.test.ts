/** Metrics on the device against the same figures computed from the predictions on the host, on both backends. */
import { describe, expect, it } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import * as nn from "../../src/nn/index.ts";
import { Random } from "../../src/numbers/random.ts";
import { sub } from "../../src/ops/elementwise/arithmetic.ts";
import { abs } from "../../src/ops/elementwise/math.ts";
import { cosine, sgd } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import type { EpochRecord, Metrics } from "../../src/train/loop/events.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import * as metrics from "../../src/train/metrics/metrics.ts";
import { loadStateDict } from "../../src/train/state/state-dict.ts";
import { gpuBackend } from "../support/backend.ts";

const random = new Random(11);
const COUNT = 77;
const whole = (below: number) => Math.floor(random.uniform(0, below));

function dataset(width: number, inputs: Float32Array, labels: Int32Array | Float32Array): Dataset {
  const count = inputs.length / width;
  return {
    name: "by hand",
    split: "test",
    count,
    inputs: { data: inputs, shape: [width] },
    labels,
    ...(labels instanceof Int32Array ? { classes: width } : { labelShape: [labels.length / count] }),
  };
}

/** A trainer whose model answers with its inputs. */
async function echo(
  backend: Backend,
  width: number,
  loss: nn.Loss,
  measured: readonly metrics.Metric[],
  evalBatchSize = 10,
): Promise<Trainer> {
  const trainer = await Trainer.create(backend, {
    model: nn.linear(width, width),
    loss,
    optimizer: sgd({ learningRate: 0.5 }),
    batchSize: 8,
    evalBatchSize,
    metrics: measured,
    trackGradientNorm: true,
  });
  const identity = Float32Array.from({ length: width * width }, (_, i) => (i % (width + 1) === 0 ? 1 : 0));
  await loadStateDict(trainer, [
    ["weight", { shape: [width, width], data: identity }],
    ["bias", { shape: [width], data: new Float32Array(width) }],
  ]);
  return trainer;
}

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];

describe.each(backends)("on the %s", (_, open) => {
  it("classes: accuracy, top-k with ties, confusion matrix, precision, recall, F1", async () => {
    const C = 6;
    // Halves only, so that equal outputs are common.
    const logits = Float32Array.from({ length: COUNT * C }, () => Math.round(random.uniform(-4, 4)) / 2);
    // Class 5 never comes, and nobody says 4.
    const labels = Int32Array.from({ length: COUNT }, () => whole(C - 1));
    for (let i = 0; i < COUNT; i++) logits[i * C + 4] = -9;
    const test = dataset(C, logits, labels);
    const all = metrics.classification(C, { k: 3 });
    const { accuracy, metrics: values } = await (
      await echo(await open(), C, nn.crossEntropy(), all)
    ).evaluate(test);

    const order = (i: number) =>
      Array.from({ length: C }, (_, c) => c).sort((a, b) => logits[i * C + b]! - logits[i * C + a]! || a - b);
    const within = (k: number) =>
      labels.reduce((n, label, i) => n + (order(i).slice(0, k).includes(label) ? 1 : 0), 0) / COUNT;
    expect(accuracy).toBeCloseTo(within(1), 12);
    expect(values?.top3).toBe(within(3));
    const matrix = Array.from({ length: C }, () => Array<number>(C).fill(0));
    labels.forEach((label, i) => {
      matrix[label]![order(i)[0]!]!++;
    });
    expect(values?.confusionMatrix).toEqual(matrix);
    const said = (c: number) => matrix.reduce((n, row) => n + row[c]!, 0);
    const there = (c: number) => matrix[c]!.reduce((n, m) => n + m, 0);
    const precisions = matrix.map((row, c) => (said(c) === 0 ? 0 : row[c]! / said(c)));
    const recalls = matrix.map((row, c) => (there(c) === 0 ? 0 : row[c]! / there(c)));
    const scores = precisions.map((p, c) =>
      p + recalls[c]! === 0 ? 0 : (2 * p * recalls[c]!) / (p + recalls[c]!),
    );
    const mean = (xs: readonly number[]) => xs.reduce((a, b) => a + b) / xs.length;
    expect(values?.precisionPerClass).toEqual(precisions);
    expect(values?.recallPerClass).toEqual(recalls);
    expect(values?.precision).toBeCloseTo(mean(precisions), 12);
    expect(values?.recall).toBeCloseTo(mean(recalls), 12);
    expect(values?.f1).toBeCloseTo(mean(scores), 12);
    scores.forEach((score, c) => {
      expect((values as { f1PerClass: number[] }).f1PerClass[c]).toBeCloseTo(score, 12);
    });
  });

  it("one output for two classes, and targets of the output's width", async () => {
    const backend = await open();
    const logits = Float32Array.from({ length: COUNT }, () => random.uniform(-2, 2));
    const labels = Float32Array.from({ length: COUNT }, () => whole(2));
    const two = [metrics.confusionMatrix(), metrics.precision({ average: "none" })];
    const binary = await (await echo(backend, 1, nn.bceWithLogits(), two)).evaluate(
      dataset(1, logits, labels),
    );
    const cell = (truth: number, said: number) =>
      labels.reduce((n, t, i) => n + (t === truth && (logits[i]! > 0 ? 1 : 0) === said ? 1 : 0), 0);
    const matrix = [0, 1].map((t) => [0, 1].map((s) => cell(t, s)));
    expect(binary.metrics?.confusionMatrix).toEqual(matrix);
    expect(binary.accuracy).toBeCloseTo((cell(0, 0) + cell(1, 1)) / COUNT, 12);
    expect(binary.metrics?.precisionPerClass).toEqual(
      [0, 1].map((c) => cell(c, c) / (cell(0, c) + cell(1, c))),
    );

    const outputs = Float32Array.from({ length: COUNT * 3 }, () => random.uniform(-1, 1));
    const truths = Array.from({ length: COUNT }, () => whole(3));
    const hot = new Float32Array(COUNT * 3);
    truths.forEach((c, i) => {
      hot[i * 3 + c] = 1;
    });
    const vectors = await (await echo(backend, 3, nn.mse(), [metrics.accuracy(), metrics.topK(2)])).evaluate(
      dataset(3, outputs, hot),
    );
    const rank = (i: number) =>
      [0, 1, 2].filter((c) => outputs[i * 3 + c]! > outputs[i * 3 + truths[i]!]!).length;
    expect(vectors.accuracy).toBeCloseTo(truths.filter((_, i) => rank(i) < 1).length / COUNT, 12);
    expect(vectors.metrics).toEqual({ top2: truths.filter((_, i) => rank(i) < 2).length / COUNT });
  });

  it("MSE, MAE and R2 of values far from 0, and a custom metric", async () => {
    const N = 60_000;
    const truth = Float32Array.from({ length: N }, () => 1000 + random.uniform(-2, 2));
    const said = truth.map((t) => t + random.uniform(-1, 1));
    const largest = metrics.custom("error", (prediction, { target }) => abs(sub(prediction, target)));
    const measured = [...metrics.regression(), largest];
    const { metrics: values } = await (await echo(await open(), 1, nn.mse(), measured, 7000)).evaluate(
      dataset(1, said, truth),
    );
    const errors = Array.from(said, (s, i) => s - truth[i]!);
    const mean = truth.reduce((a, b) => a + b, 0) / N;
    const mse = errors.reduce((n, e) => n + e * e, 0) / N;
    const mae = errors.reduce((n, e) => n + Math.abs(e), 0) / N;
    const spread = truth.reduce((n, t) => n + (t - mean) ** 2, 0) / N;
    const near = (value: unknown, expected: number) =>
      expect(Math.abs((value as number) / expected - 1), `${value}, expected ${expected}`).toBeLessThan(2e-6);
    near(values?.mse, mse);
    near(values?.mae, mae);
    near(values?.error, mae);
    near(values?.r2, 1 - mse / spread);
  });
});

it("training logs metrics, learning rate and gradient norm of its steps", async () => {
  const inputs = Float32Array.from({ length: COUNT * 3 }, () => random.uniform(-1, 1));
  const train = dataset(
    3,
    inputs,
    Int32Array.from({ length: COUNT }, () => whole(3)),
  );
  const schedule = cosine({ learningRate: 0.5, steps: 20 });
  const trainer = await Trainer.create(await gpuBackend(), {
    model: nn.linear(3, 3),
    loss: nn.crossEntropy(),
    optimizer: sgd({ learningRate: schedule }),
    batchSize: 8,
    trackGradientNorm: true,
    metrics: [metrics.topK(2), metrics.confusionMatrix({ training: true }), metrics.f1()],
  });
  const weights = async () => [...(await trainer.parameter("weight")), ...(await trainer.parameter("bias"))];
  const before = await weights();
  const steps: Metrics[] = [];
  const one = await trainer.fit(train, { steps: 1, onSteps: (_, some) => void steps.push(...some) });
  const after = await weights();
  const moved = Math.hypot(...after.map((w, i) => w - (before[i] as number)));
  expect(one.epochs[0]?.gradientNorm).toBeCloseTo(moved / 0.5, 4);
  const { epochs } = await trainer.fit(train, {
    epochs: 2,
    validation: train,
    onSteps: (_, some) => void steps.push(...some),
  });
  expect(steps).toHaveLength(20);
  steps.forEach((step, i) => {
    expect(step).toMatchObject({ learningRate: expect.closeTo(schedule.rate(i), 6) });
  });
  const last = epochs.at(-1) as EpochRecord;
  expect(last.learningRate).toBeCloseTo(schedule.rate(19), 6);
  expect(Object.keys(last.metrics ?? {})).toEqual(["top2", "confusionMatrix"]);
  const cells = (last.metrics as { confusionMatrix: number[][] }).confusionMatrix.flat();
  expect(cells.reduce((a, b) => a + b)).toBe(COUNT);
  expect(Object.keys(last.val?.metrics ?? {})).toEqual(["top2", "confusionMatrix", "f1"]);
  expect(last.val?.loss).toBe(last.valLoss);
});

it("refuses outputs and targets that a metric does not take", async () => {
  const trainer = await echo(new CpuBackend(), 2, nn.crossEntropy(), [metrics.mse()]);
  const classes = dataset(2, new Float32Array(4), Int32Array.of(0, 1));
  await expect(trainer.evaluate(classes)).rejects.toThrow(
    /metrics\.mse: needs target values of the output's shape, got i32\[2\] for f32\[2, 2\]/,
  );
  expect(() => metrics.topK(0)).toThrow(/metrics\.topK: k must be a whole number of at least 1, got 0/);
});
