/** Weights that become NaN or infinite in an update that no later loss shows: the run rejects, and no file stores them. */
import { describe, expect, it } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import * as nn from "../../src/nn/index.ts";
import { adam, sgd } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { bestCheckpoint } from "../../src/train/loop/callbacks.ts";
import { EarlyStopping } from "../../src/train/loop/early-stopping.ts";
import type { EpochRecord } from "../../src/train/loop/events.ts";
import { DivergedError } from "../../src/train/metrics/divergence.ts";
import { gpuBackend } from "../support/backend.ts";
import { MemoryFiles } from "../support/memory-files.ts";
import { smallTrainer } from "../support/small-run.ts";

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];
const far: Dataset = {
  name: "far",
  split: "train",
  count: 32,
  inputs: { data: Float32Array.from({ length: 128 }, (_, i) => 1 + (i % 7)), shape: [4] },
  labels: Float32Array.from({ length: 32 }, (_, i) => 1000 + i),
};

describe.each(backends)("on the %s", (_, open) => {
  const trainer = async (optimizer = sgd({ learningRate: 3e38 })) => {
    const backend = Object.assign(await open(), { files: new MemoryFiles() });
    const model = nn.sequential(nn.linear(4, 3), nn.linear(3, 1));
    return { backend, made: await smallTrainer(backend, { model, loss: nn.mse(), optimizer }) };
  };

  it.each([
    { steps: 1 },
    { steps: 1, validation: far, evaluateEvery: 1 },
    { steps: 1, checkpoints: { directory: "run", everySteps: 1 } },
  ])("a run of %o rejects, naming parameters and step", async (options) => {
    const { backend, made } = await trainer();
    const error = await made.fit(far, options).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DivergedError);
    expect((error as Error).message).toMatch(
      /NaN or infinite after step 1: 0\.weight \(\d+ of 12 values\), 0\.bias \(3 of 3 values\), 1\.weight/,
    );
    expect([...backend.files.files.keys()]).toEqual([]);
  });

  it("also where a learning rate set by hand causes it, and where the run is aborted", async () => {
    const { made } = await trainer(adam({ learningRate: 0.01 }));
    const abort = new AbortController();
    const callback = ({ event }: { event: string }) => {
      if (event === "epoch") made.setLearningRate(3e38);
    };
    const onSteps = (first: number) => {
      if (first >= 4) abort.abort();
    };
    const run = made.fit(far, { epochs: 3, callbacks: [callback], onSteps, signal: abort.signal });
    await expect(run).rejects.toThrow(DivergedError);
  });

  it("bestCheckpoint stores neither such weights nor an epoch whose metric is NaN", async () => {
    const { backend, made } = await trainer(sgd({ learningRate: 1e-6 }));
    const spoil = async ({ event, epoch }: { event: string; epoch?: number }) => {
      const weights = new Map([...made.parameters].map(([name, { size }]) => [name, new Float32Array(size)]));
      weights.get("0.bias")?.fill(Number.NEGATIVE_INFINITY);
      if (event === "epoch" && epoch === 2) made.setWeights(weights);
    };
    const best = bestCheckpoint(made, "best", { monitor: "loss" });
    await expect(made.fit(far, { epochs: 3, callbacks: [spoil as never, best] })).rejects.toThrow(
      /infinite after step 8: 0\.bias \(3 of 3 values\)/,
    );
    const kept = Uint8Array.from(backend.files.files.get("best") as Uint8Array);
    const { made: other } = await trainer();
    await other.fromSafetensors(kept);
    expect(other.steps).toBe(4);
    expect((await other.parameter("0.bias")).every(Number.isFinite)).toBe(true);
    const metrics = { epoch: 1, loss: Number.NaN, seconds: 1, stepsPerSecond: 4 };
    backend.files.files.clear();
    await best({ event: "epoch", ...metrics });
    await bestCheckpoint(made, "best", { monitor: "loss" })({ event: "epoch", ...metrics });
    expect(backend.files.files.size).toBe(0);
  });
});

it("early stopping never takes NaN for the best, and stops where all records are NaN", () => {
  const record = (epoch: number, loss: number): EpochRecord => ({
    epoch,
    loss,
    seconds: 1,
    stepsPerSecond: 1,
  });
  const stopping = new EarlyStopping({ monitor: "loss", patience: 2, restoreBest: true });
  const observe = (epoch: number, loss: number) =>
    stopping.observe(record(epoch, loss), epoch, () => new Map());
  expect(observe(1, Number.NaN)).toBeUndefined();
  expect([stopping.best, stopping.weights]).toEqual([undefined, undefined]);
  expect(observe(2, 0.5)).toBeUndefined();
  expect(stopping.best?.epoch).toBe(2);
  expect(observe(3, Number.NaN)).toBeUndefined();
  expect(observe(4, Number.NaN)).toBe("loss was no better than 0.5 of epoch 2, 2 times in a row");
  const never = new EarlyStopping({ monitor: "loss", patience: 1 });
  expect(never.observe(record(1, Number.NaN), 1, () => new Map())).toBe(
    "loss was no better than a number, once",
  );
});
