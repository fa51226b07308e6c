/** detectAnomaly: names the op, label and step where a number stopped being one; changes nothing of a healthy run. */
import { describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend.ts";
import { CpuBackend } from "../../src/cpu/backend.ts";
import { syntheticDigits } from "../../src/data/synthetic.ts";
import * as nn from "../../src/nn/index.ts";
import { mul, sub } from "../../src/ops/arithmetic.ts";
import { log, sqrt } from "../../src/ops/math.ts";
import { adam, sgd } from "../../src/optim/index.ts";
import type { Tensor } from "../../src/tensor.ts";
import { AnomalyError } from "../../src/train/anomaly.ts";
import type { TrainerOptions } from "../../src/train/options.ts";
import { Trainer } from "../../src/train/trainer.ts";
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
  it("names the op that made NaN of a number", async () => {
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

  it("names the step in which weights ran away", async () => {
    const options = { detectAnomaly: true, optimizer: sgd({ learningRate: 1e30 }) };
    const { step, op } = await failure(await makeTrainer(await open(), nn.relu(), options));
    expect(step).toBeGreaterThan(1);
    expect(op).not.toBe("crossEntropy");
  });

  it("leaves a healthy run as it is, bit for bit", async () => {
    const bytes = [];
    for (const detectAnomaly of [false, true]) {
      const trainer = await makeTrainer(await open(), nn.relu(), { detectAnomaly });
      await trainer.fit(digits.train, { epochs: 1 });
      bytes.push(await trainer.toSafetensors());
    }
    expect(bytes[1]).toEqual(bytes[0]);
  });
});
