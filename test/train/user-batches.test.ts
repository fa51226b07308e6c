/** Batches of a user's own: any number of samples, one program for each form, and a run like any other. */
import { describe, expect, it } from "vitest";
import * as ops from "../../src/all-ops.ts";
import { fromColumns } from "../../src/data/columns.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { adam } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { GpuBackend } from "../../src/runtime/gpu/backend.ts";
import type { TrainMetrics } from "../../src/train/loop/events.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import type { StepBatch } from "../../src/train/step/phase.ts";
import { BusyError, DataError, ValueError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";
import { testGpu } from "../support/device.ts";

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];

type Episode = StepBatch & Record<"observations" | "actions" | "returns", Tensor>;

/** REINFORCE's loss over two actions. */
async function policyTrainer(backend: Backend, batchSize = 8): Promise<Trainer> {
  const model = nn.sequential(nn.linear(4, 6), nn.tanh(), nn.linear(6, 2));
  return Trainer.create(backend, {
    model,
    optimizer: adam({ learningRate: 0.05 }),
    batchSize,
    seed: 2,
    onNotice: () => undefined,
    step: ({ observations, actions, returns, weights }: Episode) => {
      const { loss } = ops.crossEntropy(nn.forward(model, observations), actions, {
        weights: ops.mul(returns, weights),
      });
      return { loss, metrics: { n: [ops.sum(weights), ops.ones([])] } };
    },
  });
}

/** Episode `i`, of 2 to 7 moves. */
const episode = (i: number) => {
  const n = 2 + (i % 6);
  return {
    observations: Float32Array.from({ length: 4 * n }, (_, j) => Math.sin(j + i)),
    actions: Int32Array.from({ length: n }, (_, j) => (i + j) % 2),
    returns: Float32Array.from({ length: n }, (_, j) => 1 + j),
  };
};

describe.each(backends)("on the %s", (_, open) => {
  it("batches of any size up to the capacity share a program, and padding does not count", async () => {
    const trainer = await policyTrainer(await open());
    const exact = await Promise.all([2, 3, 4, 5, 6, 7].map(async (n) => policyTrainer(await open(), n)));
    const first = await trainer.step(episode(0));
    expect(first.loss).toBeCloseTo((await exact[0]!.step(episode(0))).loss, 6);
    expect(first.metrics).toEqual({ n: 2 });
    const seen: TrainMetrics[] = [];
    for (let i = 1; i < 12; i++) seen.push(await trainer.step(episode(i)));
    expect(seen.map(({ metrics }) => metrics!.n)).toEqual([3, 4, 5, 6, 7, 2, 3, 4, 5, 6, 7]);
    expect(trainer.steps).toBe(12);
    const [only, ...others] = trainer.describe();
    expect(others).toEqual([]);
    expect(only).toMatchObject({
      use: "step",
      of: "{ observations f32[8, 4], actions i32[8], returns f32[8] }",
    });
    await trainer.step(episode(5), { capacity: 16 });
    expect(trainer.describe().map(({ of }) => of)[1]).toContain("observations f32[16, 4]");
    await expect(trainer.step({ ...episode(0), returns: Float32Array.of(1) })).rejects.toThrow(
      /linear: x has 8 features, w expects 4/,
    );
    expect(trainer.steps).toBe(13);
  });

  it("statistics over a batch are of its samples", async () => {
    const model = { norm: nn.batchNorm1d(2), out: nn.linear(2, 1) };
    const trainer = await Trainer.create(await open(), {
      model,
      optimizer: adam(),
      batchSize: 12,
      step: ({ inputs, weights }) => ({
        loss: ops.mse(model.out.forward(model.norm.forward(inputs)), ops.zeros([12, 1]), { weights }),
      }),
    });
    await trainer.step({
      inputs: [
        [1, 10],
        [2, 20],
        [6, 30],
      ],
    });
    const means = [...(await trainer.backend.read(model.norm.running_mean!))];
    expect(means[0]).toBeCloseTo(0.3, 5);
    expect(means[1]).toBeCloseTo(2, 5);
  });

  it("is the step of fit on the same samples, and counts as one", async () => {
    const run = async (steps: (trainer: Trainer) => Promise<unknown>): Promise<Uint8Array> => {
      const trainer = await policyTrainer(await open());
      await steps(trainer);
      return trainer.toSafetensors();
    };
    const given = episode(4);
    const { observations, actions, returns } = given;
    const set = fromColumns({ observations: { data: observations, shape: [4] }, actions, returns });
    const fitted = await run(async (trainer) => {
      // In order: with as many samples as fit into a batch, all are in it, whatever the order.
      await trainer.fit(set, { steps: 3 });
    });
    const stepped = await run(async (trainer) => {
      for (let i = 0; i < 3; i++) await trainer.step(given);
    });
    const saved = await run(async (trainer) => {
      await trainer.step(given);
      const bytes = await trainer.toSafetensors();
      await trainer.step(given);
      await trainer.fromSafetensors(bytes);
      expect(trainer.steps).toBe(1);
      await trainer.fit(set, { steps: 1 });
      await trainer.step({ ...given, observations: { data: observations, shape: [4] } });
    });
    const values = async (bytes: Uint8Array) => {
      const trainer = await policyTrainer(await open());
      await trainer.fromSafetensors(bytes);
      expect(trainer.steps).toBe(3);
      return [...(await trainer.parameter("0.weight"))];
    };
    const expected = await values(fitted);
    for (const bytes of [stepped, saved]) {
      (await values(bytes)).forEach((value, i) => {
        expect(value).toBeCloseTo(expected[i]!, 5);
      });
    }
  });

  it("nested arrays, bytes and the short form", async () => {
    const model = nn.linear(2, 3);
    const trainer = await Trainer.create(await open(), {
      model,
      loss: nn.crossEntropy(),
      optimizer: adam(),
      batchSize: 4,
    });
    const labels = Int32Array.of(0, 2, 1);
    const nested = await trainer.evaluate({
      name: "set",
      split: "all",
      count: 3,
      inputs: { data: Float32Array.of(0.5, 1, 0, 0.25, 0, 1), shape: [2] },
      labels,
      classes: 3,
    } satisfies Dataset);
    const bytes = { data: Uint8Array.of(2, 4, 0, 1, 0, 4), shape: [2], scale: 0.25 };
    const { loss, accuracy } = await trainer.step({ inputs: bytes, labels });
    expect(loss).toBeCloseTo(nested.loss, 5);
    expect(accuracy).toBeCloseTo(nested.accuracy!, 6);
    expect(
      (
        await trainer.step({
          inputs: [
            [0.5, 1],
            [0, 0.25],
          ],
          labels: labels.subarray(0, 2),
        })
      ).loss,
    ).not.toBeNaN();
    expect(trainer.describe().filter(({ use }) => use === "step")).toHaveLength(1);
    await expect(trainer.step({ inputs: bytes, labels: Float32Array.from(labels) })).rejects.toThrow(
      /the loss wants class numbers, but the labels are values/,
    );
  });

  it("refuses what is no batch, and steps during a fit", async () => {
    const trainer = await policyTrainer(await open());
    const good = episode(3);
    await expect(trainer.step({ ...good, weights: good.returns })).rejects.toThrow(
      /give factors another name/,
    );
    await expect(trainer.step([1, 2] as never)).rejects.toThrow(/takes columns by name/);
    await expect(trainer.step({})).rejects.toThrow(DataError);
    await expect(trainer.step({ ...good, actions: new Float64Array(5) as never })).rejects.toThrow(
      /column "actions": data must be a Uint8Array, Float32Array, Int32Array or Uint32Array/,
    );
    await expect(trainer.step({ ...good, actions: good.actions.subarray(1) })).rejects.toThrow(DataError);
    await expect(trainer.step(good, { capacity: 4 })).rejects.toThrow(/takes at most 4 samples.*got 5/);
    await expect(trainer.step(good, { capacty: 4 } as never)).rejects.toThrow(ValueError);
    await expect(trainer.step({ observation: good.observations, actions: good.actions })).rejects.toThrow(
      /the batch has no column "observations"; did you mean observation\?/,
    );
    const { observations, actions, returns } = good;
    const set = fromColumns({ observations: { data: observations, shape: [4] }, actions, returns });
    const fit = trainer.fit(set, { epochs: 2 });
    await expect(trainer.step(good)).rejects.toThrow(BusyError);
    await fit;
    await trainer.step(good);
    expect(trainer.steps).toBe(3);
  });
});

it("after a lost device the run goes on from the latest snapshot", async () => {
  const opened: GpuBackend[] = [];
  const open = async (): Promise<GpuBackend> => {
    const adapter = await (await testGpu()).requestAdapter();
    const backend = await GpuBackend.open(adapter as GPUAdapter, { reopen: open });
    opened.push(backend);
    return backend;
  };
  const run = async (lose: boolean) => {
    const trainer = await policyTrainer(await open());
    for (let i = 0; i < 3; i++) await trainer.step(episode(i));
    await trainer.snapshot(trainer.steps);
    if (lose) (trainer.backend as GpuBackend).device.raw.destroy();
    const metrics = await trainer.step(episode(3));
    expect(trainer.steps).toBe(4);
    return [metrics, await trainer.toSafetensors()];
  };
  expect(await run(true)).toEqual(await run(false));
  for (const backend of opened) await backend.close();
});
