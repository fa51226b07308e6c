/** Trainers with schedules, groups, accumulation and averaged weights: saved, resumed with the same bits, evaluated. */
import { describe, expect, it } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { readSafetensors } from "../../src/io/safetensors.ts";
import * as nn from "../../src/nn/index.ts";
import * as optim from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { backends, gpuBackend } from "../support/backend.ts";

const digits = syntheticDigits({ seed: 3, train: 500, test: 200 });

function makeTrainer(
  backend: Backend,
  optimizer: optim.Optimizer,
  loss = nn.crossEntropy(),
): Promise<Trainer> {
  const model = nn.sequential(nn.flatten(), nn.linear(784, 16), nn.relu(), nn.linear(16, 10));
  return Trainer.create(backend, { model, loss, optimizer, batchSize: 50, seed: 7 });
}

const everything = () =>
  optim.adamw({
    learningRate: optim.warmUp({ steps: 5 }, optim.cosine({ learningRate: 5e-3, steps: 30 })),
    weightDecayFilter: optim.decaysWeights,
    groups: [{ filter: (name) => name.startsWith("3."), learningRateFactor: 0.5 }],
    accumulate: 2,
    averageDecay: 0.9,
    clipNorm: 1,
  });

describe.each(backends)("on the %s", (_, open) => {
  it("continues with the same bits from a saved run, averages and accumulated gradients included", async () => {
    const whole = await makeTrainer(await open(), everything());
    await whole.fit(digits.train, { epochs: 2 });
    const first = await makeTrainer(await open(), everything());
    await first.fit(digits.train, { epochs: 1 });
    const second = await makeTrainer(await open(), everything());
    await second.fromSafetensors(await first.toSafetensors());
    await second.fit(digits.train, { epochs: 1 });
    const bytes = await second.toSafetensors();
    expect(bytes).toEqual(await whole.toSafetensors());
    const names = [...readSafetensors(bytes).tensors.keys()];
    expect(names).toContain("optimizer.average.1.weight");
    expect(names).toContain("optimizer.accumulated.3.bias");
  });

  it("evaluates averaged weights, and restores the latest", async () => {
    const trainer = await makeTrainer(await open(), optim.rmsprop({ learningRate: 1e-3, averageDecay: 0.5 }));
    const untrained = await trainer.evaluate(digits.test);
    expect(await trainer.evaluate(digits.test, { average: true })).toEqual(untrained);
    await trainer.fit(digits.train, { epochs: 2 });
    const latest = await trainer.evaluate(digits.test);
    const before = await trainer.toSafetensors();
    const averaged = await trainer.evaluate(digits.test, { average: true });
    expect(averaged.loss).not.toBe(latest.loss);
    expect(averaged.loss).toBeLessThan(untrained.loss);
    expect(await trainer.toSafetensors()).toEqual(before);
    expect(await trainer.evaluate(digits.test)).toEqual(latest);
    const saved = readSafetensors(await trainer.withAverages(() => trainer.toSafetensors())).tensors;
    expect(saved.get("1.weight")?.data).toEqual(saved.get("optimizer.average.1.weight")?.data);
  });
});

it.each([
  [
    "label smoothing and class weights",
    nn.crossEntropy({ labelSmoothing: 0.1, classWeights: Array(10).fill(2) }),
  ],
  ["an ignored class", nn.crossEntropy({ ignoreIndex: 3 })],
  ["multi-class margin", nn.multiMargin()],
])("learns with %s", async (_, loss) => {
  const trainer = await makeTrainer(await gpuBackend(), optim.adam({ learningRate: 3e-3 }), loss);
  const { epochs } = await trainer.fit(digits.train, { epochs: 3 });
  expect(epochs[2]!.loss).toBeLessThan(epochs[0]!.loss);
  expect(epochs[2]!.accuracy).toBeGreaterThan(0.3);
});

it("refuses averages where the optimizer keeps none", async () => {
  const trainer = await makeTrainer(new CpuBackend(), optim.lion());
  await expect(trainer.evaluate(digits.test, { average: true })).rejects.toThrow(
    /averages need an optimizer with averageDecay/,
  );
});
