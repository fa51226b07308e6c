/** Parameters and buffers are copied by name from one trainer to another; names and shapes that do not fit are refused. */
import { expect, it } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import * as nn from "../../src/nn/index.ts";
import { adam } from "../../src/optim/index.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { loadStateDict, stateDict } from "../../src/train/state/state-dict.ts";
import { gpuBackend } from "../support/backend.ts";

const { train, test } = syntheticDigits({ seed: 8, train: 200, test: 100 });
const make = async (seed: number, onGpu: boolean) =>
  Trainer.create(onGpu ? await gpuBackend() : new CpuBackend(), {
    model: nn.sequential(nn.flatten(), nn.linear(784, 16), nn.batchNorm1d(16), nn.relu(), nn.linear(16, 10)),
    loss: nn.crossEntropy(),
    optimizer: adam(),
    batchSize: 50,
    seed,
  });

it("carries parameters and running statistics from GPU to CPU reference", async () => {
  const trained = await make(1, true);
  await trained.fit(train, { epochs: 2 });
  const dict = await stateDict(trained);
  expect([...dict.keys()]).toEqual([
    ...["1.weight", "1.bias", "2.weight", "2.bias", "4.weight", "4.bias"],
    ...["2.running_mean", "2.running_var", "2.num_batches_tracked"],
  ]);
  expect(dict.get("1.weight")?.shape).toEqual([16, 784]);
  const other = await make(2, false);
  const before = await other.evaluate(test);
  await loadStateDict(other, dict);
  const [here, there] = [await trained.evaluate(test), await other.evaluate(test)];
  expect(there.loss).toBeCloseTo(here.loss, 4);
  expect(there.accuracy).toBe(here.accuracy);
  expect(Math.abs(before.loss - here.loss)).toBeGreaterThan(0.01);
  expect(other.steps).toBe(0);
});

it("refuses what does not fit", async () => {
  const trainer = await make(1, false);
  const dict = new Map(await stateDict(trainer));
  dict.delete("4.bias");
  await expect(loadStateDict(trainer, dict)).rejects.toThrow(/state dict: lacks 4\.bias/);
});
