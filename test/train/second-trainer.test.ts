/** Several trainers and programs of one model: all use its current weights, on every backend. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { input, parameter, state, type Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { add, square } from "../../src/ops/elementwise/arithmetic.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { adam, sgd } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import type { TrainerOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { gpuBackend } from "../support/backend.ts";

const points = (count: number): Dataset => ({
  name: "points",
  split: "train",
  count,
  inputs: { data: Float32Array.from({ length: 4 * count }, (_, i) => Math.sin(1.7 * i)), shape: [4] },
  labels: Int32Array.from({ length: count }, (_, i) => i % 3),
  classes: 3,
});
const data = points(32);

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];

describe.each(backends)("on the %s", (_, open) => {
  const make = (backend: Backend, options: Partial<TrainerOptions> & Pick<TrainerOptions, "model">) =>
    Trainer.create(backend, {
      loss: nn.crossEntropy(),
      optimizer: adam({ learningRate: 0.01 }),
      batchSize: 8,
      seed: 1,
      ...options,
    });
  const net = () => nn.sequential(nn.linear(4, 8), nn.relu(), nn.linear(8, 3));

  it("a second trainer keeps the first one's weights and continues from them", async () => {
    const backend = await open();
    const model = net();
    const first = await make(backend, { model });
    await first.fit(data, { epochs: 10 });
    const before = (await first.evaluate(data)).loss;
    const second = await make(backend, { model, optimizer: sgd({ learningRate: 0.01 }), seed: 9 });
    expect((await first.evaluate(data)).loss).toBe(before);
    expect((await second.evaluate(data)).loss).toBe(before);
    expect(await second.parameter("0.weight")).toEqual(await first.parameter("0.weight"));
    await second.fit(data, { epochs: 3 });
    expect((await second.evaluate(data)).loss).toBeLessThan(before);
    const both = (await second.evaluate(data)).loss;
    expect((await first.evaluate(data)).loss).toBe(both);
    await first.fit(data, { epochs: 3 });
    expect((await second.evaluate(data)).loss).toBeLessThan(both);
  });

  it("both created before either has trained: the first to train is not undone", async () => {
    const backend = await open();
    const model = net();
    const first = await make(backend, { model });
    const second = await make(backend, { model, seed: 2 });
    expect(await second.parameter("0.weight")).toEqual(await first.parameter("0.weight"));
    await first.fit(data, { epochs: 5 });
    const trained = await first.parameter("2.weight");
    await second.evaluate(data);
    expect(await first.parameter("2.weight")).toEqual(trained);
    // Nor what a program of the user's own has changed before the first fit.
    const third = await make(backend, { model: nn.sequential(...model.layers, nn.linear(3, 3)) });
    const w = third.parameters.get("3.weight")!;
    const own = await backend.compile({ outputs: [sum(square(w))] });
    own.run();
    backend.write(w, new Float32Array(9).fill(0.25));
    await third.evaluate(data);
    expect([...(await third.parameter("3.weight"))]).toEqual(new Array(9).fill(0.25));
    expect(await third.parameter("0.weight")).toEqual(await first.parameter("0.weight"));
  });

  it("a program compiled before the first fit sees the weights that the trainer starts with", async () => {
    const backend = await open();
    const trainer = await make(backend, { model: net(), seed: 5 });
    const w = trainer.parameters.get("0.weight")!;
    const expected = await trainer.parameter("0.weight");
    await backend.compile({ outputs: [sum(square(w))] });
    expect(await backend.read(w)).toEqual(Float32Array.from(expected));
  });

  it("shared layers: each sees what the other has trained", async () => {
    const backend = await open();
    const trunk = nn.linear(4, 8);
    const one = await make(backend, { model: nn.sequential(trunk, nn.relu(), nn.linear(8, 3)) });
    const two = await make(backend, {
      model: nn.sequential(nn.linear(4, 4), trunk, nn.linear(8, 3)),
      seed: 4,
    });
    await one.fit(data, { epochs: 4 });
    const trained = await one.parameter("0.weight");
    expect(await two.parameter("1.weight")).toEqual(trained);
    await two.evaluate(data);
    expect(await one.parameter("0.weight")).toEqual(trained);
    for (let turn = 0; turn < 3; turn++) {
      await two.fit(data, { epochs: 1 });
      expect(await one.parameter("0.weight")).toEqual(await two.parameter("1.weight"));
      await one.fit(data, { epochs: 1 });
      expect(await one.parameter("0.weight")).toEqual(await two.parameter("1.weight"));
    }
    expect(await one.parameter("0.weight")).not.toEqual(trained);
  });

  it("a second trainer continues from loaded weights", async () => {
    const backend = await open();
    const source = await make(backend, { model: net(), seed: 3 });
    await source.fit(data, { epochs: 2 });
    const model = net();
    const first = await make(backend, { model });
    await first.fromSafetensors(await source.toSafetensors());
    const second = await make(backend, { model });
    expect((await second.evaluate(data)).loss).toBe((await source.evaluate(data)).loss);
  });

  it("values that a state can't hold are refused before a program has put it on the device, too", async () => {
    const backend = await open();
    const count = state([1], 0, "i32", "count");
    expect(() => backend.starts.set(count, Float32Array.of(0.5))).toThrow(
      /count i32\[1\]: .* which holds f32/,
    );
    backend.starts.set(count, Int32Array.of(7));
    await backend.compile({ outputs: [count] });
    expect(await backend.read(count)).toEqual(Int32Array.of(7));
  });

  it("two optimizers of one parameter in separate programs alternate", async () => {
    const backend = await open();
    const [a, b, c] = [parameter([3], 1, "a"), parameter([70], 2, "b"), parameter([2], 3, "c")];
    const halving = async (parameters: readonly Tensor[]) => {
      const rule = sgd({ learningRate: 0.25 });
      const loss = parameters.map((t) => sum(square(t))).reduce((x, y) => add(x, y));
      const grads = gradients(loss, parameters);
      const updates = rule.updates(parameters, grads, rule.states(parameters), input([1], "u32"));
      return backend.compile({ outputs: [loss], updates });
    };
    const one = await halving([a, b]);
    const two = await halving([c, a]);
    one.run();
    two.run();
    one.run(2);
    two.run();
    const values = (await backend.readAll([a, b, c])).map((data) => [...new Set(data)]);
    expect(values).toEqual([[1 / 32], [2 / 8], [3 / 4]]);
  });

  it("two optimizers over one parameter in one graph are refused", async () => {
    const backend = await open();
    const w = parameter([3], 1, "shared weight");
    const updates = [sgd({ learningRate: 0.1 }), adam()].flatMap((rule) =>
      rule.updates([w], gradients(sum(square(w)), [w]), rule.states([w]), input([1], "u32")),
    );
    await expect(backend.compile({ outputs: [], updates })).rejects.toThrow(
      /updates: sgd and adam both change shared weight, which each would see as the step began/,
    );
  });
});
