/** `bestCheckpoint` keeps the file of the best epoch, by the given metric. */
import { expect, it } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { readSafetensors } from "../../src/io/safetensors.ts";
import * as nn from "../../src/nn/index.ts";
import { sgd } from "../../src/optim/index.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { bestCheckpoint } from "../../src/train/loop/callbacks.ts";
import type { Monitor } from "../../src/train/loop/early-stopping.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";

const { train, test } = syntheticDigits({ seed: 6, train: 200, test: 100 });

async function run(monitor: Monitor | undefined, validation: boolean) {
  const files = new Map<string, Uint8Array[]>();
  const backend = new CpuBackend({
    files: {
      read: async (path) => files.get(path)?.at(-1) as Uint8Array,
      write: async (path, bytes) => {
        files.set(path, [...(files.get(path) ?? []), bytes]);
      },
      list: async () => [...files.keys()],
      remove: async (path) => void files.delete(path),
    },
  });
  const trainer = await Trainer.create(backend, {
    model: nn.sequential(nn.flatten(), nn.linear(784, 10)),
    loss: nn.crossEntropy(),
    // So large a rate that epochs get worse as well as better.
    optimizer: sgd({ learningRate: 1.5 }),
    batchSize: 20,
    seed: 3,
  });
  const keep = bestCheckpoint(trainer, "best.safetensors", monitor === undefined ? {} : { monitor });
  const history = await trainer.fit(train, {
    epochs: 8,
    callbacks: [keep],
    ...(validation ? { validation: test } : {}),
  });
  return { trainer, history, written: files.get("best.safetensors") ?? [] };
}

it.each(["valLoss", "valAccuracy", "loss"] as const)("saves when %s is better than ever", async (monitor) => {
  const { history, written, trainer } = await run(monitor, true);
  const values = history.epochs.map((e) => e[monitor] as number);
  const better = (a: number, b: number) => (monitor === "valAccuracy" ? a > b : a < b);
  const records = values.filter((v, i) => values.slice(0, i).every((earlier) => better(v, earlier)));
  expect(written).toHaveLength(records.length);
  // Training loss falls all the way here; on the test set some epochs are worse than one before.
  if (monitor !== "loss") expect(records.length).toBeLessThan(values.length);
  const { metadata } = readSafetensors(written.at(-1) as Uint8Array);
  expect(Number(metadata[monitor])).toBe(records.at(-1));
  // The file is of that very epoch: evaluating it gives the same figure.
  await trainer.fromSafetensors(written.at(-1) as Uint8Array);
  const again = await trainer.evaluate(test);
  const best = history.epochs[values.indexOf(records.at(-1) as number)];
  expect(again.loss).toBe(best?.valLoss);
});

it("names the metrics that there are where the given one is missing", async () => {
  await expect(run(undefined, false)).rejects.toThrow(
    /bestCheckpoint: epoch 1 has no valLoss; give fit a validation set/,
  );
});
