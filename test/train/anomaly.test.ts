/** `detectAnomaly` names the op, label and step of the first NaN or infinity, and does not change a run without one. */
import { describe, expect, it } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { constant, parameter, type Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { forward } from "../../src/nn/module.ts";
import { mul, sub } from "../../src/ops/elementwise/arithmetic.ts";
import { where } from "../../src/ops/elementwise/compare.ts";
import { log, sqrt } from "../../src/ops/elementwise/math.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { flatten } from "../../src/ops/shape/reshape.ts";
import {
  adagrad,
  adam,
  adamw,
  decaysWeights,
  lion,
  type Optimizer,
  rmsprop,
  sgd,
} from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import type { TrainerOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { AnomalyError } from "../../src/train/metrics/anomaly.ts";
import { DivergedError } from "../../src/train/metrics/divergence.ts";
import { gpuBackend } from "../support/backend.ts";

const digits = syntheticDigits({ seed: 3, train: 100, test: 50 });

function makeTrainer(backend: Backend, layer: (x: Tensor) => Tensor, options: Partial<TrainerOptions> = {}) {
  const model = nn.sequential(nn.flatten(), nn.linear(784, 8), layer, nn.linear(8, 10));
  const base = { loss: nn.crossEntropy(), optimizer: adam(), batchSize: 20, seed: 7 };
  return Trainer.create(backend, { ...base, model, ...options });
}

async function failure(trainer: Trainer): Promise<AnomalyError> {
  try {
    await trainer.fit(digits.train, { epochs: 20 });
  } catch (error) {
    if (error instanceof AnomalyError) return error;
    throw error;
  }
  throw new Error("no anomaly");
}

describe.each([
  ["GPU", gpuBackend],
  ["CPU reference", async (): Promise<Backend> => new CpuBackend()],
] as const)("on the %s", (_, open) => {
  it("names the op that computed NaN from finite numbers", async () => {
    const trainer = await makeTrainer(await open(), (x) => log(sub(mul(x, x), 10)), { detectAnomaly: true });
    expect(await failure(trainer)).toMatchObject({
      op: "log",
      label: "model.2.log",
      step: 1,
      message: expect.stringMatching(
        /log \(model\.2\.log, f32\[20, 8\]\) became NaN at element \d+ in step 1 from/,
      ),
    });
    expect(trainer.steps).toBe(0);
  });

  it("names the gradient that became infinite where the result did not", async () => {
    const trainer = await makeTrainer(await open(), (x) => sqrt(mul(x, 0)), { detectAnomaly: true });
    expect((await failure(trainer)).label).toMatch(/^gradient\./);
  });

  it("names the step in which weights became infinite", async () => {
    const options = { detectAnomaly: true, optimizer: sgd({ learningRate: 1e30 }) };
    const { step, op } = await failure(await makeTrainer(await open(), nn.relu(), options));
    expect(step).toBeGreaterThan(1);
    expect(op).not.toBe("crossEntropy");
  });

  it("does not change a run without NaN, bit for bit", async () => {
    const bytes = [];
    for (const detectAnomaly of [false, true]) {
      const trainer = await makeTrainer(await open(), nn.relu(), { detectAnomaly });
      await trainer.fit(digits.train, { epochs: 1 });
      bytes.push(await trainer.toSafetensors());
    }
    expect(bytes[1]).toEqual(bytes[0]);
  });
});

/** The always-on check: a NaN that the loss does not show ends the run at its step. */
describe.each([
  ["GPU", gpuBackend],
  ["CPU reference", async (): Promise<Backend> => new CpuBackend()],
] as const)("a parameter or gradient that is NaN while the loss is finite, on the %s", (_, open) => {
  class Hidden implements nn.Module {
    readonly spare: Tensor;
    readonly layer = nn.linear(784, 10);
    /** `use` of the spare parameter is chosen nowhere: the loss depends on it, and never shows it. */
    constructor(
      first: number,
      readonly use: (x: Tensor) => Tensor,
    ) {
      this.spare = parameter([3], Float32Array.of(1, first, 1), "spare");
    }
    forward(x: Tensor) {
      return where(
        constant(new Float32Array(10)),
        sum(this.use(this.spare)),
        forward(this.layer, flatten(x, 1)),
      );
    }
  }
  const fit = async (model: Hidden, optimizer: Optimizer) => {
    const base = { loss: nn.crossEntropy(), batchSize: 20, seed: 7 };
    const trainer = await Trainer.create(await open(), { ...base, model, optimizer });
    try {
      await trainer.fit(digits.train, { epochs: 1 });
    } catch (error) {
      return { trainer, error };
    }
    return { trainer, error: undefined };
  };
  const rules: Readonly<Record<string, Optimizer>> = {
    sgd: sgd({ learningRate: 0.01 }),
    momentum: sgd({ learningRate: 0.01, momentum: 0.9, weightDecay: 0.01 }),
    adam: adam(),
    adamw: adamw({ weightDecayFilter: decaysWeights }),
    rmsprop: rmsprop(),
    centered: rmsprop({ centered: true }),
    moving: rmsprop({ momentum: 0.9 }),
    centeredAndMoving: rmsprop({ centered: true, momentum: 0.9 }),
    lion: lion(),
    adagrad: adagrad(),
    clipped: adam({ clipNorm: 1 }),
    averaged: adam({ averageDecay: 0.9 }),
  };

  it.each(Object.entries(rules))("ends a run with %s at its step, and no healthy one", async (name, rule) => {
    const told = /a parameter or its gradient became NaN or infinite by step 1, though the loss is [\d.]+/;
    const itself = (x: Tensor) => x;
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const { error } = await fit(new Hidden(value, itself), rule);
      expect(error, name).toBeInstanceOf(DivergedError);
      expect(String(error)).toMatch(told);
    }
    // The slope of √ at 0 is infinite, and 0 of it is NaN.
    expect(String((await fit(new Hidden(0, sqrt), rule)).error)).toMatch(told);
    const healthy = await fit(new Hidden(1, itself), rule);
    expect(healthy.error).toBeUndefined();
    await healthy.trainer.fit(digits.train, { epochs: 1 });
  });

  it("is detected at the update of accumulated gradients", async () => {
    const { error } = await fit(new Hidden(Number.NaN, (x) => x), sgd({ learningRate: 0.01, accumulate: 2 }));
    expect(String(error)).toMatch(/by step 2/);
  });
});

/** A network with a NaN weight before a function that drivers take for a number. */
it.each([nn.tanh, nn.sigmoid, nn.relu, nn.hardtanh, nn.hardSigmoid, nn.gelu, nn.softplus])(
  "a NaN weight before %o ends the run",
  async (activation) => {
    for (const backend of [new CpuBackend(), await gpuBackend()]) {
      const bad = () => Float32Array.from({ length: 784 * 8 }, (_, i) => (i === 5000 ? Number.NaN : 0.01));
      const model = nn.sequential(
        nn.flatten(),
        nn.linear(784, 8, { weightInit: bad }),
        activation(),
        nn.linear(8, 10),
      );
      const options = {
        model,
        loss: nn.crossEntropy(),
        optimizer: sgd({ learningRate: 0.01 }),
        batchSize: 20,
      };
      const trainer = await Trainer.create(backend, options);
      await expect(trainer.fit(digits.train, { epochs: 1 })).rejects.toThrow(/the loss became NaN at step 1/);
    }
  },
);
