/** Steps of a user's own loop: `compileStep` takes the same steps as a trainer. */
import { describe, expect, it } from "vitest";
import * as ops from "../../src/all-ops.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { parameter, type Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { adam, sgd } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { compileStep } from "../../src/train/step/compile-step.ts";
import { ShapeError, ValueError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];

const data: Dataset = {
  name: "points",
  split: "train",
  count: 40,
  inputs: { data: Float32Array.from({ length: 160 }, (_, i) => Math.sin(1.7 * i)), shape: [4] },
  labels: Int32Array.from({ length: 40 }, (_, i) => (i * i) % 3),
  classes: 3,
};
const net = () =>
  nn.sequential(nn.linear(4, 8), nn.batchNorm1d(8), nn.relu(), nn.dropout(0.25), nn.linear(8, 3));

describe.each(backends)("on the %s", (_, open) => {
  it("ten steps of Adam with gradient 1 go ten times the rate", async () => {
    const w = parameter([3], 0, "w");
    const step = await compileStep(await open(), {
      model: { w },
      optimizer: adam({ learningRate: 0.1 }),
      inputs: { x: [3] },
      step: ({ x }) => ({ loss: ops.sum(ops.mul(w, x!)) }),
    });
    step.write({ x: [1, 1, 1] });
    step.submit(9);
    step.submit();
    expect(step.steps).toBe(10);
    expect((await step.read()).loss).toBeCloseTo(-2.7, 5);
    for (const value of await step.device.read(step.parameters.get("w")!)) expect(value).toBeCloseTo(-1, 5);
    step.destroy();
  });

  it("takes the steps of a trainer: the same losses, weights and random numbers", async () => {
    const backend = await open();
    const trained = await Trainer.create(backend, {
      model: net(),
      loss: nn.crossEntropy(),
      optimizer: adam({ learningRate: 0.01 }),
      batchSize: 8,
      seed: 3,
      shuffle: false,
    });
    const expected: number[] = [];
    await trained.fit(data, {
      epochs: 2,
      onSteps: (_first, steps) => void expected.push(...steps.map(({ loss }) => loss)),
    });
    const model = net();
    const step = await compileStep(backend, {
      model,
      optimizer: adam({ learningRate: 0.01 }),
      seed: 3,
      inputs: { x: [8, 4], y: { shape: [8], dtype: "i32" } },
      step: ({ x, y, weights }) => {
        const { loss, correct } = ops.crossEntropy(nn.forward(model, x!), y!, { weights });
        return { loss, metrics: { accuracy: [correct, ops.sum(weights)] } };
      },
    });
    const losses: number[] = [];
    for (let i = 0; i < 10; i++) {
      const at = (i % 5) * 8;
      const { loss, accuracy } = await step.run({
        x: data.inputs.data.subarray(4 * at, 4 * at + 32),
        y: data.labels.subarray(at, at + 8),
      });
      losses.push(loss);
      expect((accuracy as number) * 8).toBeCloseTo(Math.round((accuracy as number) * 8), 4);
    }
    expect(losses).toEqual(expected);
    expect([...step.parameters.keys()]).toEqual([...trained.parameters.keys()]);
    for (const [name, tensor] of [...step.parameters, ...step.buffers]) {
      const own = trained.parameters.get(name) ?? trained.buffers.get(name)!;
      expect(await backend.read(tensor)).toEqual(await backend.read(own));
    }
    // A trainer of the same model goes on from here.
    const next = await Trainer.create(backend, {
      model,
      loss: nn.crossEntropy(),
      optimizer: sgd({ learningRate: 0.1 }),
      batchSize: 8,
    });
    expect((await next.evaluate(data)).loss).toBe((await trained.evaluate(data)).loss);
  });

  it("has phases", async () => {
    const [a, b] = [parameter([1], 1, "a"), parameter([1], 2, "b")];
    const one = (own: typeof a, other: typeof a) => () => ({ loss: ops.sum(ops.mul(own, other)) });
    const step = await compileStep(await open(), {
      phases: {
        a: { model: { a }, optimizer: sgd({ learningRate: 1 }), step: one(a, b) },
        b: { model: { b }, optimizer: sgd({ learningRate: 1 }), step: one(b, a), every: 2 },
      },
      inputs: { unused: [1] },
    });
    step.write({ unused: [0] });
    step.submit();
    expect((await step.read()).metrics).toEqual({ "a.loss": 2 });
    // a: 1 - 2, then -1 - 2; b: 2 + 3.
    step.submit();
    expect((await step.read()).metrics).toEqual({ "a.loss": -2, "b.loss": -6 });
    expect([...(await step.device.read(b))]).toEqual([5]);
  });

  it("refuses what does not fit", async () => {
    const model = nn.linear(2, 1);
    const options = {
      model,
      optimizer: sgd({ learningRate: 0.1 }),
      inputs: { x: [4, 2], y: { shape: [4], dtype: "i32" } },
      step: ({ x }: { x: Tensor }) => ({ loss: ops.mean(model.forward(x)) }),
    } as const;
    const backend = await open();
    const step = await compileStep(backend, options as never);
    expect(() => step.submit()).toThrow(/step: the input x was never written/);
    await expect(step.read()).rejects.toThrow(/none was taken yet/);
    expect(() => step.write({ xs: [1] })).toThrow(
      /there is no input "xs"; did you mean x\? \(there are x f32\[4, 2\], y i32\[4\]\)/,
    );
    expect(() => step.write({ x: [1, 2] })).toThrow(ShapeError);
    expect(() => step.write({ y: Float32Array.of(0.5, 1, 2, 3) })).toThrow(ValueError);
    expect(() => step.submit(0)).toThrow(/times must be a whole number of at least 1/);
    const compiling = (changed: object) => compileStep(backend, { ...options, ...changed } as never);
    await expect(compiling({ input: {} })).rejects.toThrow(/compileStep: there is no option "input"/);
    await expect(compiling({ inputs: {} })).rejects.toThrow(/inputs is empty/);
    await expect(compiling({ inputs: undefined })).rejects.toThrow(/compileStep: needs inputs/);
    await expect(compiling({ inputs: { x: { shape: [4, 2], dtype: "f64" } } })).rejects.toThrow(
      /dtype must be/,
    );
    await expect(compiling({ optimizer: undefined })).rejects.toThrow(/compileStep: optimizer is missing/);
    await expect(compiling({ step: ({ z }: { z: Tensor }) => ({ loss: z }) })).rejects.toThrow(
      /the batch has no column "z"/,
    );
  });
});
