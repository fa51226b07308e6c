/** LeNet-5 on the CPU reference, which is the same on every host and slow: golden trajectory, agreement with the GPU. */
import { describe, expect, it } from "vitest";
import { subset } from "../../src/data/dataset.ts";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { crossEntropy } from "../../src/nn/loss.ts";
import { adam } from "../../src/optim/index.ts";
import { lenet5 } from "../../src/recipes/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { gpuBackend } from "../support/backend.ts";
import { followTrajectory } from "../support/lenet5-trajectory.ts";

const { train } = syntheticDigits({ seed: 3, train: 1000, test: 333 });

describe("LeNet-5 follows the golden trajectory", () => {
  it("CPU reference, float64", () => followTrajectory(new CpuBackend({ bits: 64 }), {}, 1e-6));
  it("CPU reference, float32", () => followTrajectory(new CpuBackend(), {}, 1e-5));
});

it("GPU and CPU reference agree on the loss of 50 steps", async () => {
  const losses = async (backend: Backend) => {
    const trainer = await Trainer.create(backend, {
      model: lenet5(),
      loss: crossEntropy(),
      optimizer: adam(),
      batchSize: 16,
      seed: 7,
    });
    const program = await trainer.trainProgram(subset(train, 800));
    const runner = trainer.runner(program);
    while (runner.position < 50) await runner.advance(50 - runner.position);
    return (await runner.collect()).map(([row]) => row?.[0] as number);
  };
  const gpu = await losses(await gpuBackend());
  const cpu = await losses(new CpuBackend());
  expect(gpu).toHaveLength(50);
  gpu.forEach((loss, i) => {
    expect(Math.abs(loss / (cpu[i] as number) - 1), `step ${i + 1}: GPU ${loss}, CPU ${cpu[i]}`).toBeLessThan(
      1e-3,
    );
  });
});
