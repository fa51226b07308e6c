/** Slips in training steps: each is an error that says what to do, or does no harm, the same on both backends. */
import { describe, expect, it } from "vitest";
import * as ops from "../../src/all-ops.ts";
import { checkpoint } from "../../src/autograd.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import * as optim from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import type { PhaseOptions, StepOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { createPredictor } from "../../src/train/predict/create-predictor.ts";
import { compileStep } from "../../src/train/step/compile-step.ts";
import type { StepBatch } from "../../src/train/step/phase.ts";
import { ShapeError, ValueError } from "../../src/validation/errors.ts";
import { backends } from "../support/backend.ts";

const values = Float32Array.from({ length: 40 }, (_, i) => Math.sin(i));
const data: Dataset = {
  name: "waves",
  split: "train",
  count: 10,
  inputs: { data: values, shape: [4] },
  labels: values.slice(0, 10),
};
const inputs = [
  [1, 2, 3, 4],
  [0, 1, 0, 1],
];

/** The mean of squared outputs. */
function squares(optimizer = optim.sgd({ learningRate: 0.1 })): PhaseOptions & { readonly model: nn.Linear } {
  const model = nn.linear(4, 3);
  const step = ({ inputs, weights }: StepBatch) => {
    const each = ops.mean(ops.square(model.forward(inputs)), { axes: 1 });
    return { loss: ops.div(ops.sum(ops.mul(each, weights)), ops.sum(weights)) };
  };
  return { model, optimizer, step };
}
const trainerOf = (backend: Backend, more: Partial<StepOptions> = {}) =>
  Trainer.create(backend, { ...squares(), batchSize: 4, ...more });

describe.each(backends)("on the %s", (_, open) => {
  it.each([
    ["adadelta", optim.adadelta],
    ["adagrad", optim.adagrad],
    ["adam", optim.adam],
    ["adamax", optim.adamax],
    ["lamb", optim.lamb],
    ["muon", (o: { eps: number }) => optim.muon({ adamw: o })],
    ["nadam", optim.nadam],
    ["radam", optim.radam],
    ["rmsprop", optim.rmsprop],
  ])("%s without an eps raises no alarm", async (_name, make) => {
    const losses = async (eps: number) => {
      const options = { eps, learningRate: 1e-3 };
      const trainer = await trainerOf(await open(), squares(make(options)));
      // radam divides from step 6 on.
      const { epochs } = await trainer.fit(data, { epochs: 3 });
      return epochs.map(({ loss }) => loss);
    };
    const [without, tiny] = [await losses(0), await losses(1e-12)];
    without.forEach((loss, i) => {
      expect(loss).toBeCloseTo(tiny[i]!, 4);
    });
  });

  it("a step has its samples as they were at the call", async () => {
    const [given, kept] = [await trainerOf(await open()), await trainerOf(await open())];
    const array = Float32Array.of(1, 2, 3, 4);
    const [, second] = [
      given.step({ inputs }),
      given.step({ inputs: { data: array, shape: [4] } }),
      array.fill(9),
    ];
    await kept.step({ inputs });
    expect((await second).loss).toBe((await kept.step({ inputs: [[1, 2, 3, 4]] })).loss);
  });

  it("a step that was called before a fit comes before it", async () => {
    const notices: string[] = [];
    const trainer = await trainerOf(await open(), { onNotice: (line) => notices.push(line) });
    const step = trainer.step({ inputs });
    await trainer.fit(data);
    await expect(step).resolves.toMatchObject({ learningRate: expect.closeTo(0.1) });
    expect(trainer.steps).toBe(3);
    expect(notices).toEqual([expect.stringContaining("the first epoch begins at step 1 of 3")]);
  });

  it("a step in which no phase runs has no loss, in fit and in step", async () => {
    const phases = { rare: { ...squares(), every: 3 } };
    const trainer = await Trainer.create(await open(), { batchSize: 5, phases });
    expect(await trainer.step({ inputs })).toEqual({ loss: Number.NaN, metrics: {} });
    const { epochs } = await trainer.fit(data, { steps: 5 });
    expect(epochs.map(({ metrics }) => Object.keys(metrics!))).toEqual([[], ["rare.loss"], ["rare.loss"]]);
    expect(epochs[0]).toMatchObject({ loss: Number.NaN });
    expect(epochs.map(({ learningRate }) => learningRate === undefined)).toEqual([true, false, false]);
  });

  it("refuses figures that the trainer keeps itself", async () => {
    const model = nn.linear(4, 3);
    for (const name of ["skipped", "a:count", "samples"]) {
      const step = ({ inputs }: StepBatch) => ({
        loss: ops.sum(model.forward(inputs)),
        metrics: { [name]: ops.ones([]) },
      });
      const trainer = await trainerOf(await open(), { model, step });
      await expect(trainer.step({ inputs })).rejects.toThrow(`a metric can't be called ${name}`);
    }
  });

  it("refuses columns that are none", async () => {
    const trainer = await trainerOf(await open());
    const wrong = (batch: unknown) => expect(trainer.step(batch as never)).rejects;
    await wrong({ inputs: null }).toThrow(ValueError);
    await wrong({ inputs: [null, [1, 2, 3, 4]] }).toThrow(ShapeError);
    await wrong({ inputs: { data: new Float32Array(8), shape: "4" } }).toThrow(
      /inputs.*shape must be an array/,
    );
  });

  it("refuses what is not awaited, and what is missing", async () => {
    const backend = await open();
    const { model, optimizer } = squares();
    const create = () => trainerOf(backend) as unknown as Trainer;
    expect(() => create().describe()).toThrow("write await Trainer.create(…) before you call describe");
    expect(() => create().setLearningRate(1)).toThrow("before you call setLearningRate");
    const step = compileStep(backend, {
      model,
      optimizer,
      inputs: { x: [2, 4] },
      step: ({ x }: { x: Tensor }) => ({ loss: ops.sum(model.forward(x as never) as Tensor) }),
    });
    expect(() => (step as unknown as Awaited<typeof step>).run({})).toThrow("write await compileStep(…)");
    await expect((await step).run(undefined as never)).rejects.toThrow(/step: takes inputs by name/);
    const none = { batchSize: 4, phases: undefined as never };
    await expect(Trainer.create(backend, none)).rejects.toThrow("Trainer.create: needs phases");
    expect(() => checkpoint(3 as never, ops.ones([2]))).toThrow("checkpoint: takes a function");
    const phases = { only: squares() };
    const prepare = async (batch: StepBatch) => batch;
    const waits = await Trainer.create(backend, { batchSize: 4, phases, prepare: prepare as never });
    await expect(waits.step({ inputs })).rejects.toThrow("prepare: must return a record of tensors");
    const columns = await Trainer.create(backend, {
      batchSize: 4,
      phases,
      prepare: (batch) => ({ ...batch, weights: ops.ones([4, 1]) }),
    });
    await expect(columns.step({ inputs })).rejects.toThrow(/weights must be f32 with one number per sample/);
  });
});

it("types: annotated columns, and a predictor of a trainer whose model gives a record", async () => {
  const [, open] = backends[0]!;
  const backend = await open();
  const layer = nn.linear(4, 3);
  const model = { layer, forward: (x: Tensor) => ({ y: layer.forward(x), x: ops.mul(x, 2) }) };
  const trainer = await Trainer.create(backend, {
    model,
    optimizer: optim.sgd({ learningRate: 0.1 }),
    batchSize: 4,
    step: ({ samples }: { samples: Tensor }) => ({ loss: ops.sum(model.forward(samples).y) }),
  });
  await trainer.step({ samples: inputs });
  const answer = await (await createPredictor(trainer, { inputs: [4] })).predict([1, 2, 3, 4]);
  expect([...answer.x.values]).toEqual([2, 4, 6, 8]);
  expect(answer.y.shape).toEqual([3]);
  // @ts-expect-error: there is no such output
  expect(answer.z).toBeUndefined();
  const wrong = () =>
    Trainer.create(backend, {
      ...squares(),
      batchSize: 4,
      // @ts-expect-error: a promise is no result
      step: async ({ samples }: { samples: Tensor }) => ({ loss: ops.sum(samples) }),
    });
  await expect((await wrong()).step({ samples: inputs })).rejects.toThrow("got a promise");
});
