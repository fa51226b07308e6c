/** A small run for tests of what happens to runs: four numbers in, three classes, eight samples a step. */

import type { Dataset } from "../../src/data/dataset.ts";
import { readSafetensors } from "../../src/io/safetensors.ts";
import * as nn from "../../src/nn/index.ts";
import { adam } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import type { TrainerOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { ownBackend } from "./backend.ts";

export const points = (count: number, shift = 0): Dataset => ({
  name: "points",
  split: "train",
  count,
  inputs: {
    data: Float32Array.from({ length: 4 * count }, (_, i) => Math.sin(1.7 * i + shift)),
    shape: [4],
  },
  labels: Int32Array.from({ length: count }, (_, i) => i % 3),
  classes: 3,
});

export const smallNet = () => nn.sequential(nn.linear(4, 8), nn.relu(), nn.linear(8, 3));

export const smallTrainer = (backend: Backend, options: Partial<TrainerOptions> = {}): Promise<Trainer> =>
  Trainer.create(backend, {
    model: smallNet(),
    loss: nn.crossEntropy(),
    optimizer: adam({ learningRate: 0.01 }),
    batchSize: 8,
    seed: 1,
    ...options,
  });

/** The step counter as the device has it. */
export async function stepOnDevice(trainer: Trainer): Promise<number> {
  return readSafetensors(await trainer.toSafetensors()).tensors.get("trainer.step")?.data[0] as number;
}

/** Both backends, a new one at each call. */
export const ownBackends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["CPU reference", async () => new CpuBackend()],
  ["GPU", () => ownBackend()],
];
