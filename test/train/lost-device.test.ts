/** A device that goes away in the middle of training is replaced, and the result is the same to the bit. */
import { expect, it } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic.ts";
import { DeviceLostError } from "../../src/errors.ts";
import { GpuBackend } from "../../src/gpu/backend.ts";
import * as nn from "../../src/nn/index.ts";
import { adam } from "../../src/optim/index.ts";
import type { TrainEvent } from "../../src/train/events.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { testGpu } from "../support/device.ts";

const { train, test } = syntheticDigits({ seed: 3, train: 500, test: 100 });

async function open(canReopen: boolean): Promise<GpuBackend> {
  const adapter = await (await testGpu()).requestAdapter();
  return GpuBackend.open(adapter as GPUAdapter, canReopen ? { reopen: () => open(true) } : {});
}

async function trainerOn(backend: GpuBackend): Promise<Trainer> {
  return Trainer.create(backend, {
    model: nn.sequential(nn.flatten(), nn.linear(784, 16), nn.relu(), nn.linear(16, 10)),
    loss: nn.crossEntropy(),
    optimizer: adam(),
    batchSize: 32,
    seed: 2,
  });
}

it("goes on from the last save point and ends with the same bytes", async () => {
  const undisturbed = await trainerOn(await open(true));
  await undisturbed.fit(train, { epochs: 3, validation: test });
  const first = await open(true);
  const trainer = await trainerOn(first);
  const events: TrainEvent[] = [];
  for await (const event of trainer.fit(train, { epochs: 3, validation: test })) {
    events.push(event);
    if (event.event === "epoch" && event.epoch === 2 && trainer.backend === first) first.device.raw.destroy();
  }
  expect(events.filter((e) => e.event === "recovered")).toMatchObject([{ epoch: 3, step: 32 }]);
  expect(events.filter((e) => e.event === "epoch").map((e) => e.epoch)).toEqual([1, 2, 3]);
  expect(trainer.backend).not.toBe(first);
  expect(await trainer.toSafetensors()).toEqual(await undisturbed.toSafetensors());
  await trainer.backend.close();
  await undisturbed.backend.close();
});

it("says plainly that the device was lost where no other can be opened", async () => {
  const backend = await open(false);
  const trainer = await trainerOn(backend);
  await trainer.fit(train, { epochs: 1 });
  backend.device.raw.destroy();
  await backend.device.lost;
  await expect(trainer.fit(train, { epochs: 1 })).rejects.toThrow(DeviceLostError);
  await expect(trainer.evaluate(test)).rejects.toThrow(/device: lost \(destroyed\)/);
});
