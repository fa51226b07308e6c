/** Trainers of a step function: the same bits as the short form, metrics, updates, records of modules, and what is refused. */
import { describe, expect, it } from "vitest";
import * as ops from "../../src/all-ops.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { state, type Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { adam, sgd } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import type { StepOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { predict } from "../../src/train/predict/predict.ts";
import type { StepFunction } from "../../src/train/step/phase.ts";
import { gpuBackend } from "../support/backend.ts";

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];

/** 45 samples, so that the last batch of 8 is padded. */
const data: Dataset = {
  name: "points",
  split: "train",
  count: 45,
  inputs: { data: Float32Array.from({ length: 180 }, (_, i) => Math.sin(1.7 * i)), shape: [4] },
  labels: Int32Array.from({ length: 45 }, (_, i) => (i * i) % 3),
  classes: 3,
};

const net = () =>
  nn.sequential(nn.linear(4, 8), nn.batchNorm1d(8), nn.relu(), nn.dropout(0.25), nn.linear(8, 3));
const common = { batchSize: 8, seed: 3, evalBatchSize: 16 };

/** Column `at` of x [8, n], as [8]. */
const columnOf = (x: Tensor, at: number) => ops.reshape(ops.slice(x, [0, at], [8, at + 1]), [8]);

/** What the short form with cross-entropy does, as a step function. */
const classify =
  (model: nn.Layer): StepFunction =>
  ({ inputs, labels, weights }) => {
    const { loss, correct, count } = ops.crossEntropy(nn.forward(model, inputs), labels, { weights });
    return { loss, metrics: { accuracy: [correct, count] } };
  };

describe.each(backends)("on the %s", (_, open) => {
  it("a step function trains as the short form does, to the same bits", async () => {
    const backend = await open();
    const short = await Trainer.create(backend, {
      model: net(),
      loss: nn.crossEntropy(),
      optimizer: adam({ learningRate: 0.01 }),
      ...common,
    });
    const model = net();
    const long = await Trainer.create(backend, {
      model,
      optimizer: adam({ learningRate: 0.01 }),
      step: classify(model),
      ...common,
    });
    const [a, b] = [await short.fit(data, { epochs: 3 }), await long.fit(data, { epochs: 3 })];
    expect(b.epochs.map(({ loss, accuracy }) => [loss, accuracy])).toEqual(
      a.epochs.map(({ loss, accuracy }) => [loss, accuracy]),
    );
    expect(await long.toSafetensors()).toEqual(await short.toSafetensors());
    expect(await long.evaluate(data)).toEqual(await short.evaluate(data));
    expect((await predict(long, data)).values).toEqual((await predict(short, data)).values);
    const [one, other] = [await short.trainProgram(data), await long.trainProgram(data)];
    // The sum of the weights.
    const { dispatches } = one.program.describe();
    expect(other.program.describe().dispatches).toBeLessThanOrEqual(dispatches + 1);
  });

  it("metrics are averaged over the samples, in training and in evaluation", async () => {
    const backend = await open();
    const model = nn.linear(4, 2);
    const trainer = await Trainer.create(backend, {
      model,
      optimizer: sgd({ learningRate: 0 }),
      step: ({ inputs, labels, weights }) => ({
        loss: ops.mse(model.forward(inputs), ops.detach(model.forward(ops.zeros([8, 4]))), { weights }),
        metrics: {
          first: ops.div(ops.sum(ops.mul(columnOf(inputs, 0), weights)), ops.sum(weights)),
          ofOnes: [
            ops.sum(ops.mul(columnOf(ops.oneHot(labels, 3), 1), weights)),
            ops.sum(ops.mul(ops.sub(1, columnOf(ops.oneHot(labels, 3), 2)), weights)),
          ],
        },
      }),
      batchSize: 8,
      evalBatchSize: 8,
    });
    const { epochs } = await trainer.fit(data, { epochs: 1, validation: data });
    const first = Array.from({ length: 45 }, (_, i) => data.inputs.data[4 * i]!).reduce((a, b) => a + b) / 45;
    const ones = data.labels.filter((label) => label === 1).length / 45;
    const [{ metrics, val }] = epochs as [(typeof epochs)[number]];
    expect(metrics!.first).toBeCloseTo(first, 5);
    expect(metrics!.ofOnes).toBeCloseTo(ones / (1 - data.labels.filter((l) => l === 2).length / 45), 5);
    expect(val!.metrics!.first).toBeCloseTo(first, 5);
    expect(val!.metrics!.ofOnes).toBeCloseTo(metrics!.ofOnes as number, 12);
  });

  it("models are records of modules whose methods have any names, and take records", async () => {
    class Encoder {
      readonly mean = nn.linear(4, 2);
      readonly spread = nn.linear(4, 2);
      encode(x: Tensor) {
        return { mean: this.mean.forward(x), spread: this.spread.forward(x) };
      }
    }
    class Decoder implements nn.Module<{ z: Tensor }, { x: Tensor; y: Tensor }> {
      readonly toX = nn.linear(2, 4);
      readonly toY = nn.linear(2, 3);
      forward({ z }: { z: Tensor }) {
        return { x: this.toX.forward(z), y: this.toY.forward(z) };
      }
    }
    const make = async () => {
      const model = { encoder: new Encoder(), decoder: new Decoder(), seen: state([1], 0, "f32", "seen") };
      return Trainer.create(await open(), {
        model,
        optimizer: adam({ learningRate: 0.01 }),
        step: ({ inputs, labels, weights }, { training, random }) => {
          const { mean, spread } = model.encoder.encode(inputs);
          const noise = ops.normal([inputs.shape[0]!, 2], random);
          const z = ops.add(mean, ops.mul(ops.exp(spread), noise));
          const { x, y } = nn.forward(model.decoder, { z });
          const { loss } = ops.crossEntropy(y, labels, { weights });
          return {
            loss: ops.add(loss, ops.mse(x, inputs, { weights })),
            updates: [ops.assign(model.seen, ops.add(model.seen, ops.sum(weights)), "seen")],
            metrics: { training: ops.fill([], training ? 1 : 0) },
          };
        },
        ...common,
      });
    };
    const trainer = await make();
    expect([...trainer.parameters.keys()].filter((name) => name.endsWith("weight"))).toEqual([
      "encoder.mean.weight",
      "encoder.spread.weight",
      "decoder.toX.weight",
      "decoder.toY.weight",
    ]);
    expect([...trainer.buffers.keys()]).toEqual(["seen"]);
    const { epochs } = await trainer.fit(data, { epochs: 4, validation: data });
    expect(epochs[3]!.loss).toBeLessThan(epochs[0]!.loss);
    expect([epochs[0]!.metrics!.training, epochs[0]!.val!.metrics!.training]).toEqual([1, 0]);
    const bytes = await trainer.toSafetensors();
    const twin = await make();
    await twin.fromSafetensors(bytes);
    expect(await twin.evaluate(data)).toEqual(await trainer.evaluate(data));
    expect([...(await trainer.backend.read(trainer.buffers.get("seen")!))]).toEqual([4 * 45]);
    await expect(predict(trainer, data)).rejects.toThrow(/the trainer's model is no layer with forward/);
  });
});

describe("refused", () => {
  const model = nn.linear(4, 3);
  const good = classify(model);
  const trainerOf = (options: Partial<StepOptions>) =>
    Trainer.create(new CpuBackend(), {
      model,
      optimizer: sgd({ learningRate: 0.1 }),
      step: good,
      batchSize: 8,
      ...options,
    } as StepOptions);
  const fitting = async (step: StepFunction) => (await trainerOf({ step })).fit(data, { epochs: 1 });
  const lossOf = (batch: Parameters<StepFunction>[0]) => good(batch, {} as never).loss;
  const outside = state([1], 0, "f32", "outside");

  const cases: Readonly<Record<string, readonly [StepFunction, RegExp]>> = {
    "a column that is not there": [
      ({ label }) => ({ loss: ops.mean(label!) }),
      /step: the batch has no column "label"; did you mean labels\? \(there are inputs, labels, weights\)/,
    ],
    "a result without loss": [() => ({}) as never, /step: must return \{ loss \}.* got an object/],
    "a promise": [(async () => ({})) as never, /step: must return \{ loss \}.* got a promise/],
    "an unknown key": [
      (batch) => ({ loss: lossOf(batch), metric: {} }),
      /step: its result: there is no option "metric"; did you mean metrics\?/,
    ],
    "a loss per sample": [
      (batch) => ({ loss: batch.weights }),
      /step: loss must be one f32 number, got f32\[8\]; reduce it with mean or sum/,
    ],
    "a metric per sample": [
      (batch) => ({ loss: lossOf(batch), metrics: { m: batch.weights } }),
      /step: metrics.m must be one f32 number, got f32\[8\]/,
    ],
    "a metric of three": [
      (batch) => ({ loss: lossOf(batch), metrics: { m: [1, 2, 3] as never } }),
      /step: metrics.m must be a tensor of one number, or \[sum, count\], got an array of 3/,
    ],
    "a metric with a name of the trainer's": [
      (batch) => ({ loss: lossOf(batch), metrics: { learningRate: lossOf(batch) } }),
      /a metric can't be called learningRate/,
    ],
    "a loss that depends on no parameter": [
      ({ inputs }) => ({ loss: ops.mean(inputs) }),
      /the loss .* depends on none of the model's parameters/,
    ],
    "updates that are none": [
      (batch) => ({ loss: lossOf(batch), updates: [batch.weights as never] }),
      /step: updates must be updates as ops.assign gives them/,
    ],
    "an update of a state that is not the model's": [
      (batch) => ({ loss: lossOf(batch), updates: [ops.assign(outside, ops.zeros([1]))] }),
      /changes outside f32\[1\], which is in no field of the model/,
    ],
    "an update of a trained parameter": [
      (batch) => ({ loss: lossOf(batch), updates: [ops.assign(model.weight, ops.zeros([3, 4]))] }),
      /changes weight f32\[3, 4\], which an optimizer changes; nn.freeze it/,
    ],
    "a layer that is not the model's": [
      ({ inputs }) => ({ loss: ops.mean(nn.linear(4, 3).forward(inputs)) }),
      /uses weight f32\[3, 4\] of linear.* neither trained nor saved/,
    ],
  };

  it.each(Object.entries(cases))("%s", async (_, [step, message]) => {
    await expect(fitting(step)).rejects.toThrow(message);
  });

  it("options that do not belong together", async () => {
    await expect(trainerOf({ loss: nn.mse() } as never)).rejects.toThrow(/there is no option "loss"/);
    await expect(trainerOf({ metrics: [] } as never)).rejects.toThrow(/there is no option "metrics"/);
    await expect(trainerOf({ step: 3 as never })).rejects.toThrow(/step must be a function, got 3/);
    await expect(trainerOf({ model: "net" as never })).rejects.toThrow(
      /model must be a module or an object with modules/,
    );
    await expect(trainerOf({ optimizer: undefined as never })).rejects.toThrow(/optimizer is missing/);
    await expect(trainerOf({ model: {} })).rejects.toThrow(/no parameters to train/);
  });
});
