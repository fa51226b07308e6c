/** Memory is freed by `destroy`, `free`, `using` and garbage collection, and not while it is in use. On both backends. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { constant, input, state } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { add, mul } from "../../src/ops/index.ts";
import { adam } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import type { GpuBackend } from "../../src/runtime/gpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { predict } from "../../src/train/predict/predict.ts";
import { ClosedError, GraphError } from "../../src/validation/errors.ts";
import { ownBackend } from "../support/backend.ts";
import { liveBuffers } from "../support/live-buffers.ts";

let gpu: GpuBackend;
beforeAll(async () => {
  gpu = await ownBackend();
});
afterAll(() => gpu.close());

const { train, test } = syntheticDigits({ seed: 3, train: 64, test: 20 });

const layers = () => nn.sequential(nn.flatten(), nn.linear(784, 16), nn.relu(), nn.linear(16, 10));

const trainerOn = (backend: Backend, model = layers()) =>
  Trainer.create(backend, { model, loss: nn.crossEntropy(), optimizer: adam(), batchSize: 32, seed: 2 });

it("200 destroyed trainers leave no buffer", async () => {
  const { raw } = gpu.device;
  const buffers = liveBuffers(raw);
  for (let i = 0; i < 200; i++) {
    const trainer = await trainerOn(gpu);
    await trainer.fit(train, { epochs: 1, validation: test });
    if (i % 50 === 0) await predict(trainer, test);
    expect(buffers.live.size).toBeGreaterThan(5);
    trainer.destroy();
    trainer.destroy();
  }
  gpu.memory.reader.trim();
  expect(buffers.labels()).toEqual([]);
  buffers.stop();
});

it("200 destroyed programs with freed leaves leave no buffer", async () => {
  const buffers = liveBuffers(gpu.device.raw);
  for (let i = 0; i < 200; i++) {
    const [x, s] = [input([64]), state([64], 2)];
    const y = add(mul(x, constant(new Float32Array(64).fill(i))), s);
    const program = await gpu.compile({ outputs: [y] });
    gpu.write(x, new Float32Array(64).fill(3));
    program.run();
    if (i % 50 === 0) expect((await program.read(y))[0]).toBe(3 * i + 2);
    program.destroy();
    for (const leaf of [x, s]) gpu.free(leaf);
  }
  gpu.memory.reader.trim();
  expect(buffers.labels()).toEqual([]);
  buffers.stop();
});

it("a graph that fails to compile leaves no buffer but its leaves", async () => {
  const buffers = liveBuffers(gpu.device.raw);
  const x = input([4]);
  const { createBindGroup } = gpu.device.raw;
  gpu.device.raw.createBindGroup = () => {
    throw new Error("no bind group");
  };
  await expect(gpu.compile({ outputs: [add(x, 1)] })).rejects.toThrow("no bind group");
  gpu.device.raw.createBindGroup = createBindGroup;
  gpu.free(x);
  expect(buffers.labels()).toEqual([]);
  buffers.stop();
});

describe.each([
  ["gpu", () => gpu],
  ["cpu", () => new CpuBackend()],
] as const)("%s", (_, open) => {
  const run = async (backend: Backend) => {
    const [x, s] = [input([2], "f32", "x"), state([2], 2, "f32", "s")];
    const y = add(x, s);
    const program = await backend.compile({ outputs: [y] });
    backend.write(x, [3, 4]);
    program.run();
    return { x, s, y, program };
  };

  it("a destroyed program refuses to run, read and be destroyed only once; its states stay", async () => {
    const backend = open();
    const { s, y, program } = await run(backend);
    program.destroy();
    program.destroy();
    expect(() => program.run()).toThrow(ClosedError);
    expect(() => program.run()).toThrow("was destroyed");
    await expect(program.read(y)).rejects.toThrow(ClosedError);
    expect([...(await backend.read(s))]).toEqual([2, 2]);
  });

  it("a program that uses a freed leaf throws; compiled again, the leaf has its initial value", async () => {
    const backend = open();
    const { x, s, y, program } = await run(backend);
    expect([...(await program.read(y))]).toEqual([5, 6]);
    backend.write(s, [7, 7]);
    backend.free(s);
    backend.free(s);
    expect(backend.holds(s)).toBe(false);
    expect(() => program.run()).toThrow(GraphError);
    expect(() => program.run()).toThrow(/^s: is not on this device; .* freed$/);
    expect(() => backend.write(s, [1, 1])).toThrow(GraphError);
    const z = mul(add(x, s), 1);
    const again = await backend.compile({ outputs: [z] });
    again.run();
    expect([...(await again.read(z))]).toEqual([5, 6]);
    // The older program can use the new state too.
    backend.write(s, [1, 1]);
    program.run();
    expect([...(await program.read(y))]).toEqual([4, 5]);
  });

  it("other programs continue to work", async () => {
    const backend = open();
    const one = await run(backend);
    const two = await run(backend);
    one.program.destroy();
    backend.freeUnused([one.x, one.s, two.x, two.s]);
    expect([one.x, one.s, two.x, two.s].map((leaf) => backend.holds(leaf))).toEqual([
      false,
      false,
      true,
      true,
    ]);
    two.program.run();
    expect([...(await two.program.read(two.y))]).toEqual([5, 6]);
  });

  it("a destroyed trainer throws; the next trainer of the model has its trained weights", async () => {
    const backend = open();
    const model = layers();
    const first = await trainerOn(backend, model);
    await first.fit(train, { epochs: 1 });
    const weights = await first.parameter("1.weight");
    first.destroy();
    for (const use of [
      () => first.fit(train, { epochs: 1 }),
      () => first.evaluate(test),
      () => predict(first, test),
      () => first.toSafetensors(),
      async () => first.setLearningRate(1),
    ]) {
      const error = await use().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ClosedError);
      expect(String(error)).toContain("trainer: was destroyed");
    }
    for (const t of first.parameters.values()) expect(backend.holds(t)).toBe(false);
    const second = await trainerOn(backend, model);
    expect(await second.parameter("1.weight")).toEqual(weights);
    await second.evaluate(test);
    expect(await second.parameter("1.weight")).toEqual(weights);
    second.destroy();
  });

  it("destroying a trainer frees nothing that another one uses", async () => {
    const backend = open();
    const model = layers();
    const [first, second] = [await trainerOn(backend, model), await trainerOn(backend, model)];
    await first.fit(train, { epochs: 1 });
    await second.fit(train, { epochs: 1 });
    const weights = await second.parameter("1.weight");
    first.destroy();
    expect(await second.parameter("1.weight")).toEqual(weights);
    await second.fit(train, { epochs: 1 });
    expect(second.steps).toBe(4);
    expect(await second.parameter("1.weight")).not.toEqual(weights);
    second.destroy();
  });

  it("a fit whose trainer is destroyed rejects", async () => {
    const trainer = await trainerOn(open());
    const fit = async () => {
      for await (const { event } of trainer.fit(train, { epochs: 50 }))
        if (event === "epoch") trainer.destroy();
    };
    await expect(fit()).rejects.toThrow(ClosedError);
  });

  it("using and await using end programs and trainers", async () => {
    const backend = open();
    let kept: Trainer | undefined;
    const x = input([2]);
    const y = add(x, 1);
    let program: Awaited<ReturnType<Backend["compile"]>> | undefined;
    {
      await using trainer = await trainerOn(backend);
      using compiled = await backend.compile({ outputs: [y] });
      program = compiled;
      kept = trainer;
      await trainer.fit(train, { epochs: 1 });
    }
    expect(() => program?.run()).toThrow("was destroyed");
    await expect(kept?.evaluate(test)).rejects.toThrow("was destroyed");
  });
});

it("await using closes a device", async () => {
  let kept: Backend | undefined;
  for (const open of [ownBackend, async () => new CpuBackend()]) {
    {
      await using device: Backend = await open();
      kept = device;
    }
    expect(kept.closed).toBe(true);
  }
});
