/** Loops without a trainer: minimize and apply, on both backends; programs that are cut between gradients and update. */
import { describe, expect, it } from "vitest";
import {
  type Backend,
  CpuBackend,
  constant,
  gradients,
  input,
  nn,
  ops,
  optim,
  parameter,
  state,
  type Tensor,
} from "../../src/index.ts";
import { GraphError, ShapeError, ValueError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";
import { numbers } from "../support/update-run.ts";

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];

const distance = (p: Tensor, stream: number) =>
  ops.sum(ops.square(ops.sub(p, constant(numbers(p.size, stream), p.shape))));

describe.each(backends)("on the %s", (_, open) => {
  const valuesOf = async (backend: Backend, tensors: readonly Tensor[]) =>
    (await backend.readAll(tensors)).map((data) => [...data]);

  it("ten Adam steps at rate 0.1 with gradient 1 give -1", async () => {
    const device = await open();
    const w = parameter([3], 0, "w");
    const { updates, states } = optim.adam({ learningRate: 0.1 }).minimize(ops.sum(w));
    const program = await device.compile({ outputs: [], updates });
    program.run(10);
    for (const value of await device.read(w)) expect(value).toBeCloseTo(-1, 5);
    expect([...(await device.read(states.step))]).toEqual([10]);
  });

  it("graphs of one loop go on with the same moments and step count, whatever the order of the parameters", async () => {
    const device = await open();
    const run = async (graphs: number) => {
      const [a, b] = [parameter([5], numbers(5, 1), "a"), parameter([70], numbers(70, 2), "b")];
      const rule = optim.adam({ learningRate: 0.1 });
      const make = (list: readonly Tensor[]) => rule.minimize(ops.add(distance(a, 3), distance(b, 4)), list);
      const steps = Array.from({ length: graphs }, (_, i) => make(i % 2 === 0 ? [a, b] : [b, a]));
      const programs = await Promise.all(
        steps.map(({ updates }) => device.compile({ outputs: [], updates })),
      );
      for (let i = 0; i < 6; i++) programs[i % graphs]?.run();
      expect(new Set(steps.map(({ states }) => states)).size).toBe(1);
      expect([...(await device.read(steps[0]!.states.step))]).toEqual([6]);
      return valuesOf(device, [a, b]);
    };
    expect(await run(2)).toEqual(await run(1));
  });

  it("takes what the loss depends on, but frozen and detached parameters", async () => {
    const device = await open();
    const [trunk, head] = [nn.linear(3, 4), nn.linear(4, 2)];
    const x = constant(numbers(15, 5), [5, 3]);
    const loss = () => ops.mean(ops.square(nn.forward(head, ops.relu(nn.forward(trunk, x)))));
    const rule = optim.sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 0.1 });
    nn.freeze(trunk);
    const onlyHead = rule.minimize(loss());
    expect(new Set(onlyHead.parameters)).toEqual(new Set([head.weight, head.bias]));
    const all = [trunk.weight, trunk.bias!, head.weight, head.bias!];
    const first = await device.compile({ outputs: all, updates: onlyHead.updates });
    const before = await valuesOf(device, all);
    first.run(3);
    const between = await valuesOf(device, all);
    expect(between.slice(0, 2)).toEqual(before.slice(0, 2));
    for (const i of [2, 3]) expect(between[i]).not.toEqual(before[i]);
    nn.unfreeze(trunk);
    const whole = rule.minimize(loss());
    expect(whole.states).not.toBe(onlyHead.states);
    (await device.compile({ outputs: [], updates: whole.updates })).run();
    const after = await valuesOf(device, all);
    after.forEach((values, i) => {
      expect(values).not.toEqual(between[i]);
    });
    expect(() => rule.minimize(ops.detach(loss()))).toThrow(GraphError);
  });

  it("a parameter in two places gets the sum of its gradients and one update", async () => {
    const device = await open();
    const w = parameter([3], [1, 2, 3], "w");
    const tied = ops.add(ops.sum(ops.mul(w, 2)), ops.sum(ops.mul(ops.reshape(w, [3, 1]), 3)));
    const { updates, parameters } = optim.sgd({ learningRate: 0.1 }).minimize(tied);
    expect(parameters).toEqual([w]);
    (await device.compile({ outputs: [], updates })).run();
    expect((await valuesOf(device, [w]))[0]!.map((v) => Number(v.toFixed(4)))).toEqual([0.5, 1.5, 2.5]);
  });

  it("parameters without a gradient keep value, moments and average", async () => {
    const device = await open();
    const [a, b] = [parameter([5], numbers(5, 1), "a"), parameter([7], numbers(7, 2), "b")];
    const rule = optim.adamw({ learningRate: 0.1, weightDecay: 0.1, averageDecay: 0.5 });
    const both = rule.minimize(ops.add(distance(a, 3), distance(b, 4)), [a, b]);
    const one = rule.minimize(distance(a, 3), [a, b]);
    expect(one.gradients[1]).toBeUndefined();
    const [p1, p2] = await Promise.all(
      [both, one].map(({ updates }) => device.compile({ outputs: [], updates })),
    );
    p1!.run(2);
    const moments = [both.states.packed.m!, both.states.packed.v!, a, b];
    const ofB = (values: number[][]) => [...values.slice(0, 2).map((v) => v.slice(64, 71)), values[3]];
    const before = await valuesOf(device, moments);
    p2!.run(2);
    const after = await valuesOf(device, moments);
    expect(ofB(after)).toEqual(ofB(before));
    expect(after[0]!.slice(0, 5)).not.toEqual(before[0]!.slice(0, 5));
    expect(after[2]).not.toEqual(before[2]);
    // Halfway from the old average to the value, twice: nearer to it than before.
    const [average, value] = [(await valuesOf(device, [both.states.packed.average!]))[0]!, after[3]!];
    value.forEach((v, i) => {
      expect(Math.abs(average[64 + i]! - v)).toBeLessThan(0.1);
      expect(average[64 + i]).not.toBe(0);
    });
  });

  it("groups and filters see the names of a Map", async () => {
    const device = await open();
    const [a, b] = [parameter([2], 0, "x"), parameter([2], 0, "x")];
    const named = new Map([
      ["slow", a],
      ["fast", b],
    ]);
    const groups = [{ filter: (name: string) => name === "slow", learningRateFactor: 0.5 }];
    const { updates } = optim
      .sgd({ learningRate: 1, groups })
      .minimize(ops.add(ops.sum(a), ops.sum(b)), named);
    (await device.compile({ outputs: [], updates })).run();
    expect(await valuesOf(device, [a, b])).toEqual([
      [-0.5, -0.5],
      [-1, -1],
    ]);
  });

  it("a program may be cut between gradients and update, through the host", async () => {
    const device = await open();
    const make = () => [parameter([5], numbers(5, 1), "a"), parameter([3, 7], numbers(21, 2), "b")];
    const lossOf = ([a, b]: Tensor[]) => ops.add(distance(a!, 3), ops.mul(distance(b!, 4), ops.mean(a!)));
    const whole = make();
    const uncut = optim.adam({ learningRate: 0.1 }).minimize(lossOf(whole), whole);
    const one = await device.compile({ outputs: [], updates: uncut.updates });
    const parts = make();
    const grads = gradients(lossOf(parts), parts);
    const received = parts.map((t) => input(t.shape));
    const { updates } = optim.adam({ learningRate: 0.1 }).apply(parts, received);
    const first = await device.compile({ outputs: grads });
    const second = await device.compile({ outputs: [], updates });
    for (let i = 0; i < 4; i++) {
      one.run();
      first.run();
      for (const [j, g] of grads.entries()) device.write(received[j]!, await first.read(g));
      second.run();
    }
    expect(await valuesOf(device, parts)).toEqual(await valuesOf(device, whole));
    // What the host changes on the way counts.
    first.run();
    for (const t of received) device.write(t, new Float32Array(t.size));
    const before = await valuesOf(device, parts);
    second.run();
    expect(await valuesOf(device, parts)).not.toEqual(before);
  });

  it("a program may be cut on the device, with gradients kept in states", async () => {
    const device = await open();
    const make = () => [parameter([5], numbers(5, 1), "a"), parameter([70], numbers(70, 2), "b")];
    const lossOf = ([a, b]: Tensor[]) => ops.add(distance(a!, 3), distance(b!, 4));
    const [whole, parts] = [make(), make()];
    const rule = () => optim.sgd({ learningRate: 0.1, momentum: 0.9, clipNorm: 1 });
    const uncut = await device.compile({ outputs: [], updates: rule().minimize(lossOf(whole)).updates });
    const kept = parts.map((t) => state(t.shape));
    const grads = gradients(lossOf(parts), parts);
    const first = await device.compile({
      outputs: [],
      updates: kept.map((t, i) => ops.assign(t, grads[i]!)),
    });
    const second = await device.compile({ outputs: [], updates: rule().apply(parts, kept).updates });
    for (let i = 0; i < 4; i++) for (const program of [uncut, first, second]) program.run();
    expect(await valuesOf(device, parts)).toEqual(await valuesOf(device, whole));
  });

  it("two optimizers with overlapping parameters take turns in two programs", async () => {
    const device = await open();
    const [a, b, c] = [1, 2, 3].map((i) => parameter([60 + i], numbers(60 + i, i), "abc"[i - 1]));
    const [one, two] = [optim.sgd({ learningRate: 0.25 }), optim.sgd({ learningRate: 0.25, momentum: 0.5 })];
    const lossOf = (ts: Tensor[]) => ts.map((t) => ops.sum(ops.square(t))).reduce((x, y) => ops.add(x, y));
    const first = one.minimize(lossOf([a!, b!]));
    const second = two.minimize(lossOf([b!, c!]));
    const [p1, p2] = await Promise.all(
      [first, second].map(({ updates }) => device.compile({ outputs: [], updates })),
    );
    for (let i = 0; i < 3; i++) for (const program of [p1!, p2!]) program.run();
    // Without momentum a step halves a value; b is halved by both, and gets the momentum of the second.
    let [x, velocity] = [1, 0];
    for (let i = 0; i < 3; i++) {
      x /= 2;
      velocity = 0.5 * velocity + 2 * x;
      x -= 0.25 * velocity;
    }
    const [va, vb] = await valuesOf(device, [a!, b!]);
    va!.forEach((v, i) => {
      expect(v).toBeCloseTo(numbers(61, 1)[i]! / 8, 6);
    });
    vb!.forEach((v, i) => {
      expect(v).toBeCloseTo(numbers(62, 2)[i]! * x, 5);
    });
    const both = device.compile({ outputs: [], updates: [...first.updates, ...second.updates] });
    await expect(both).rejects.toThrow(/updates: sgd and sgd both change b/);
    await expect(both).rejects.toThrow(GraphError);
  });

  it("flattened parameters may be read beside the update, in any order and part", async () => {
    const device = await open();
    const [a, b] = [parameter([3], [1, 2, 3], "a"), parameter([2], [4, 5], "b")];
    const norm = ops.norm(ops.pack([b, a]));
    const sameOrder = ops.norm(ops.pack([a, b]));
    const penalty = ops.mul(ops.sum(ops.square(ops.pack([b]))), 0.5);
    const { updates } = optim
      .sgd({ learningRate: 0.1 })
      .minimize(ops.add(ops.sum(a), ops.add(ops.sum(b), penalty)));
    const program = await device.compile({ outputs: [norm, sameOrder], updates });
    program.run();
    for (const t of [norm, sameOrder]) expect((await program.read(t))[0]).toBeCloseTo(Math.sqrt(55), 5);
    const [va, vb] = await valuesOf(device, [a, b]);
    expect(va!.map((v) => Number(v.toFixed(4)))).toEqual([0.9, 1.9, 2.9]);
    expect(vb!.map((v) => Number(v.toFixed(4)))).toEqual([3.5, 4.4]);
  });
});

it("refuses what is no loss, parameter or gradient", () => {
  const rule = optim.adam();
  const w = parameter([2], 1, "w");
  expect(() => rule.minimize(3 as never)).toThrow(/adam\.minimize: loss must be a tensor/);
  expect(() => rule.minimize(ops.square(w))).toThrow(ShapeError);
  expect(() => rule.minimize(ops.sum(w), [])).toThrow(/adam\.minimize: parameters must be an array or a Map/);
  expect(() => rule.minimize(ops.sum(w), [parameter([3])])).toThrow(
    /adam\.minimize: .* depends on none of the parameters; there is nothing to train/,
  );
  expect(() => rule.minimize(ops.sum(input([3])))).toThrow(GraphError);
  expect(() => rule.minimize(ops.sum(w), [w, w])).toThrow(/adam: w f32\[2\] is there twice/);
  expect(() => rule.apply([w], [])).toThrow(/adam\.apply: needs one gradient per parameter, got 0 for 1/);
  expect(() => rule.apply([w], [input([3])])).toThrow(/adam: the gradient of w f32\[2\] must have its shape/);
  expect(() => rule.apply({ w } as never, [w])).toThrow(ValueError);
});
