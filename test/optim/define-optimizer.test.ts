/** An update rule from outside the library, made of public exports only, in a trainer on both backends. */
import { expect, it } from "vitest";
import { type Backend, CpuBackend, data, io, nn, ops, optim, type Tensor, Trainer } from "../../src/index.ts";
import { gpuBackend } from "../support/backend.ts";
import { yogi } from "../support/forty-line-optimizer.ts";

const digits = data.syntheticDigits({ seed: 3, train: 500, test: 200 });
const create = (backend: Backend, optimizer: optim.Optimizer) =>
  Trainer.create(backend, {
    model: nn.sequential(nn.flatten(), nn.linear(784, 16), nn.relu(), nn.linear(16, 10)),
    loss: nn.crossEntropy(),
    optimizer,
    batchSize: 50,
    seed: 7,
  });

it.each([
  ["plain", {}],
  ["with all that optimizers can do", { weightDecay: 0.01, accumulate: 2, averageDecay: 0.9, clipNorm: 1 }],
] as const)(
  "trains, %s: the same on both backends, saved and resumed with the same bits",
  async (_, options) => {
    const losses: number[][] = [];
    for (const backend of [new CpuBackend(), await gpuBackend()]) {
      const whole = await create(backend, yogi(options));
      const { epochs } = await whole.fit(digits.train, { epochs: 4 });
      losses.push(epochs.map(({ loss }) => loss));
      const first = await create(backend, yogi(options));
      await first.fit(digits.train, { epochs: 2 });
      const second = await create(backend, yogi(options));
      await second.fromSafetensors(await first.toSafetensors());
      await second.fit(digits.train, { epochs: 2 });
      const bytes = await second.toSafetensors();
      expect(bytes).toEqual(await whole.toSafetensors());
      expect([...io.readSafetensors(bytes).tensors.keys()]).toContain("optimizer.v.1.weight");
    }
    const [cpu, gpu] = losses as [number[], number[]];
    expect(gpu.at(-1)).toBeLessThan(0.6 * gpu[0]!);
    gpu.forEach((loss, i) => {
      expect(loss).toBeCloseTo(cpu[i]!, 3);
    });
  },
);

it("refuses rules that do not fit their states", () => {
  const p = ops.zeros([3]);
  const define = (states: readonly string[], result: object) => {
    const rule = () => result as { parameter: Tensor };
    const optimizer = optim.defineOptimizer({ name: "mine", learningRate: 0.1, states, rule });
    return optimizer.updates([p], [p], optimizer.states([p]));
  };
  expect(() => define(["m"], { parameter: p })).toThrow(
    /mine: rule must return new values of parameter, m, got parameter/,
  );
  expect(() => define([], { parameter: p, m: p })).toThrow(/got parameter, m/);
  expect(() => define(["average"], { parameter: p })).toThrow(/mine: a state may not be called average/);
  expect(() => define(["m", "m"], { parameter: p })).toThrow(/mine: states must be different names, got "m"/);
  expect(() => define([1 as never], { parameter: p })).toThrow(/mine: states must be different names, got 1/);
  const shape = /mine: rule must return a value for each parameter/;
  expect(() => define([], { parameter: ops.zeros([3]) })).toThrow(shape);
  expect(() => define([], { parameter: ops.zeros([]) })).toThrow(shape);
  expect(() => define([], { parameter: 1 })).toThrow(/mine: parameter, which rule returns, must be a tensor/);
});
