/** Programs on a device: bit-identical replay, states shared by programs, flattened buffers that move, descriptions. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { constant, input, parameter, scope, state, type Tensor } from "../../src/graph/tensor.ts";
import { Random } from "../../src/numbers/random.ts";
import { add, mul, sub } from "../../src/ops/elementwise/arithmetic.ts";
import { sigmoid } from "../../src/ops/elementwise/relu-sigmoid-tanh.ts";
import { linear } from "../../src/ops/linalg/linear.ts";
import { mse } from "../../src/ops/loss/mean-losses.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { pack } from "../../src/ops/shape/pack.ts";
import { assign } from "../../src/ops/state/assign.ts";
import type { CompileProgress } from "../../src/runtime/backend.ts";
import { DeviceError, GraphError, ShapeError } from "../../src/validation/errors.ts";
import { gpuBackend, ownBackend } from "../support/backend.ts";

/** Two layers, squared error, one step of gradient descent on flattened parameters. */
function training() {
  const random = new Random(11, 0);
  const drawn = (...shape: number[]) =>
    parameter(
      shape,
      Float32Array.from({ length: shape[0]! * (shape[1] ?? 1) }, () => random.uniform() - 0.5),
    );
  const parameters = [drawn(13, 7), drawn(13), drawn(3, 13), drawn(3)];
  const [w1, b1, w2, b2] = parameters as [Tensor, Tensor, Tensor, Tensor];
  const x = constant(
    Float32Array.from({ length: 35 }, () => random.uniform()),
    [5, 7],
  );
  const target = constant(
    Float32Array.from({ length: 15 }, () => random.uniform()),
    [5, 3],
  );
  const y = linear(sigmoid(linear(x, w1, b1)), w2, b2);
  const loss = mse(y, target);
  const packed = pack(parameters);
  const update = assign(packed, sub(packed, mul(pack(gradients(loss, parameters)), 0.5)));
  return { parameters, y, loss, update };
}

describe("runs", () => {
  const trained = async (times: readonly number[]) => {
    const backend = await gpuBackend();
    const { parameters, loss, update } = training();
    const program = await backend.compile({ outputs: [loss], updates: [update] });
    for (const n of times) program.run(n);
    return [...(await backend.readAll(parameters)), await program.read(loss)];
  };

  it("give the same bits whether submitted one by one, in groups, or at once", async () => {
    const atOnce = await trained([50]);
    expect(await trained(new Array(50).fill(1))).toEqual(atOnce);
    expect(await trained([7, 13, 30])).toEqual(atOnce);
    expect(atOnce[4]?.[0]).toBeLessThan((await trained([1]))[4]?.[0] as number);
  });

  it("report each pipeline once while they are compiled", async () => {
    const backend = await ownBackend();
    const { loss, update } = training();
    const told: CompileProgress[] = [];
    const spec = { outputs: [loss], updates: [update] };
    const program = await backend.compile(spec, { onProgress: (progress) => void told.push(progress) });
    const total = program.describe().pipelines;
    expect(told).toEqual(Array.from({ length: total }, (_, i) => ({ compiled: i + 1, total })));
    expect(total).toBeGreaterThan(2);
    await backend.close();
  });

  it("change nothing when there are none", async () => {
    const backend = await gpuBackend();
    const { parameters, update } = training();
    const program = await backend.compile({ outputs: [], updates: [update] });
    const before = await backend.readAll(parameters);
    program.run(0);
    expect(await backend.readAll(parameters)).toEqual(before);
  });

  it("pass states on from one to the next", async () => {
    const backend = await gpuBackend();
    const { update, loss } = training();
    const program = await backend.compile({ outputs: [loss], updates: [update] });
    const losses: number[] = [];
    for (let i = 0; i < 5; i++) {
      program.run();
      losses.push((await program.read(loss))[0] as number);
    }
    expect(losses).toEqual([...losses].sort((a, b) => b - a));
    expect(new Set(losses).size).toBe(5);
  });
});

describe("reading", () => {
  it("waits for all submitted runs, and may be concurrent", async () => {
    const backend = await gpuBackend();
    const x = input([3]);
    const wanted = [add(x, 1), mul(x, 2), sub(x, 3)] as const;
    const program = await backend.compile({ outputs: wanted });
    backend.write(x, Float32Array.of(1, 2, 3));
    program.run();
    const first = wanted.map((t) => program.read(t));
    backend.write(x, Float32Array.of(10, 20, 30));
    program.run();
    const second = wanted.map((t) => program.read(t));
    expect((await Promise.all(first)).map((v) => [...v])).toEqual([
      [2, 3, 4],
      [2, 4, 6],
      [-2, -1, 0],
    ]);
    expect((await Promise.all(second)).map((v) => [...v])).toEqual([
      [11, 21, 31],
      [20, 40, 60],
      [7, 17, 27],
    ]);
  });

  it("returns data that later runs do not change", async () => {
    const backend = await gpuBackend();
    const x = input([2]);
    const y = mul(x, 2);
    const program = await backend.compile({ outputs: [y] });
    backend.write(x, Float32Array.of(1, 2));
    program.run();
    const kept = await program.read(y);
    backend.write(x, Float32Array.of(3, 4));
    program.run();
    await program.read(y);
    expect([...kept]).toEqual([2, 4]);
  });

  it("keeps dtypes, and accepts 64-bit floats for f32", async () => {
    const backend = await gpuBackend();
    const leaves = [state([2], 0, "i32"), state([2], 0, "u32"), state([2])] as const;
    await backend.compile({ outputs: leaves });
    backend.write(leaves[0], Int32Array.of(-5, 7));
    backend.write(leaves[1], Uint32Array.of(4294967295, 1));
    backend.write(leaves[2], Float64Array.of(0.1, -2));
    expect(await backend.readAll(leaves)).toEqual([
      Int32Array.of(-5, 7),
      Uint32Array.of(4294967295, 1),
      Float32Array.of(0.1, -2),
    ]);
  });

  it("refuses tensors that are no outputs or not on the device", async () => {
    const backend = await gpuBackend();
    const x = input([2]);
    const y = scope("block", () => mul(x, 2));
    const z = add(y, 1);
    const program = await backend.compile({ outputs: [z] });
    await expect(program.read(y)).rejects.toThrow(/block.mulScalar: is not an output of this program/);
    const stranger = input([2], "f32", "stranger");
    expect(() => backend.write(stranger, Float32Array.of(1, 2))).toThrow(
      /stranger: is not on this device; compile a graph that uses it first/,
    );
    await expect(backend.read(stranger)).rejects.toThrow(GraphError);
  });

  it("refuses data of another length, before anything is written", async () => {
    const backend = await gpuBackend();
    const x = input([2, 3], "f32", "images");
    await backend.compile({ outputs: [mul(x, 2)] });
    expect(() => backend.write(x, new Float32Array(5))).toThrow(ShapeError);
    expect(() => backend.write(x, new Float32Array(7))).toThrow(/images f32\[2, 3\]: holds 6 values, got 7/);
  });
});

describe("several programs", () => {
  it("share states: one reads what the other trains", async () => {
    const backend = await gpuBackend();
    const { parameters, y, update } = training();
    const evaluation = await backend.compile({ outputs: [y] });
    evaluation.run();
    const before = await evaluation.read(y);
    const step = await backend.compile({ outputs: [], updates: [update] });
    step.run(3);
    evaluation.run();
    const after = await evaluation.read(y);
    expect(after).not.toEqual(before);
    // The same numbers as in a program whose states did not move.
    const twin = training();
    const both = await backend.compile({ outputs: [twin.y], updates: [twin.update] });
    both.run(4);
    expect([...after]).toEqual([...(await both.read(twin.y))]);
    expect(parameters.length).toBe(4);
  });

  it("keep values when flattening moves states of another program, and both continue to work", async () => {
    const backend = await gpuBackend();
    const a = state([3], Float32Array.of(1, 2, 3));
    const b = state([70], 5);
    const seen = add(a, sum(b));
    const evaluation = await backend.compile({ outputs: [seen] });
    backend.write(a, Float32Array.of(10, 20, 30));
    evaluation.run();
    expect([...(await evaluation.read(seen))]).toEqual([360, 370, 380]);

    const packed = pack([a, b]);
    const update = assign(packed, add(packed, 1));
    const step = await backend.compile({ outputs: [packed], updates: [update] });
    expect([...(await backend.read(a))]).toEqual([10, 20, 30]);
    expect([...(await backend.read(b))]).toEqual(new Array(70).fill(5));

    step.run();
    evaluation.run();
    expect([...(await evaluation.read(seen))]).toEqual([11 + 420, 21 + 420, 31 + 420]);
    backend.write(b, new Float32Array(70));
    evaluation.run();
    expect([...(await evaluation.read(seen))]).toEqual([11, 21, 31]);
    expect([...(await step.read(packed))].slice(0, 3)).toEqual([11, 21, 31]);
    expect([...(await step.read(packed))].slice(64, 134)).toEqual(new Array(70).fill(0));

    const other = pack([a, b]);
    const again = await backend.compile({ outputs: [other] });
    expect([...(await again.read(other)).slice(0, 3)]).toEqual([11, 21, 31]);
  });

  it("flatten a state with different others: it moves to the program that runs", async () => {
    const backend = await gpuBackend();
    const [a, b, c] = [state([2], 1, "f32", "a"), state([2], 2), state([70], 3)];
    const climb = (states: readonly Tensor[]) => {
      const p = pack(states);
      return { p, update: assign(p, add(p, 1)) };
    };
    const [first, second] = [climb([a, b]), climb([c, a])];
    const one = await backend.compile({ outputs: [first.p], updates: [first.update] });
    one.run();
    const two = await backend.compile({ outputs: [second.p], updates: [second.update] });
    two.run(2);
    one.run();
    // Before it runs again, the current values of the states are read.
    two.run();
    expect([...(await one.read(first.p)).slice(0, 2)]).toEqual([6, 6]);
    expect([...(await two.read(second.p)).slice(0, 70)]).toEqual(new Array(70).fill(6));
    expect(await backend.readAll([a, b, c])).toEqual(
      [6, 4, 6].map((v, i) => new Float32Array(i < 2 ? 2 : 70).fill(v)),
    );
  });

  it("compile the same kernel once", async () => {
    const backend = await ownBackend();
    const build = () => mul(sigmoid(input([100])), 3);
    await backend.compile({ outputs: [build()] });
    let made = 0;
    const { raw } = backend.device;
    const create = raw.createComputePipelineAsync.bind(raw);
    raw.createComputePipelineAsync = (d: GPUComputePipelineDescriptor) => {
      made++;
      return create(d);
    };
    await backend.compile({ outputs: [build()] });
    expect(made).toBe(0);
    await backend.close();
  });
});

describe("descriptions", () => {
  it("have dispatches, pipelines, bytes and labels before the first run", async () => {
    const backend = await gpuBackend();
    const x = input([100]);
    const a = scope("first", () => sigmoid(x));
    const b = scope("second", () => sigmoid(a));
    const program = await backend.compile({ outputs: [mul(b, 2)] }, { fuse: false });
    expect(program.describe()).toEqual({
      dispatches: 3,
      pipelines: 2,
      stateBytes: 800,
      slotBytes: 800,
      steps: ["first.sigmoid", "second.sigmoid", "mulScalar"],
    });
  });

  it("have a time for every dispatch where the adapter has timestamps, and throw otherwise", async () => {
    const backend = await gpuBackend();
    const program = await backend.compile({ outputs: [mul(sigmoid(input([100])), 2)] }, { fuse: false });
    if (!backend.device.timestamps) {
      await expect(program.profile()).rejects.toThrow(DeviceError);
      return;
    }
    const times = await program.profile();
    expect(times.map((t) => t.label)).toEqual(["sigmoid", "mulScalar"]);
    expect(times.every((t) => t.milliseconds >= 0)).toBe(true);
  });
});
