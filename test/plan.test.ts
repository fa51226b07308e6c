/** The planner: memory slots, flattened buffers, the order of updates, unused nodes, and graphs that it refuses. */
import { describe, expect, it } from "vitest";
import { gradients } from "../src/autograd.ts";
import { Graph, type GraphSpec } from "../src/graph/graph.ts";
import { defineOp, type OpDefinition } from "../src/graph/op.ts";
import { constant, input, parameter, state, type Tensor } from "../src/graph/tensor.ts";
import { record } from "../src/ops/data/record.ts";
import { add, mul } from "../src/ops/elementwise/arithmetic.ts";
import { relu } from "../src/ops/elementwise/relu-sigmoid-tanh.ts";
import { crossEntropyOp } from "../src/ops/loss/cross-entropy.ts";
import { sum } from "../src/ops/reduce/sum.ts";
import { pack } from "../src/ops/shape/pack.ts";
import { reshape } from "../src/ops/shape/reshape.ts";
import { increment } from "../src/ops/state/increment.ts";
import { CpuBackend } from "../src/runtime/cpu/backend.ts";
import { checkPlan, planOf } from "./support/check-plan.ts";

/** An update for these tests: target += scale * sum of the values, element by element. */
const bumpDefinition: OpDefinition<"target" | "value", never, { scale: number }, { scale: number }> = {
  name: "bump",
  args: ["target", "value"],
  results: [],
  mutates: ["target"],
  follows: true,
  plan: (_inputs, attrs) => ({ outputs: [], constants: { scale: attrs.scale } }),
  cpu({ target, value }, { scale }) {
    let by = 0;
    for (const v of value) by += v;
    for (const i of target.keys()) target[i]! += scale * by;
  },
  kernels: () => ({ kernels: [] }),
};
const bumpOp = defineOp(bumpDefinition);
const bump = (target: Tensor, value: Tensor, label: string, scale = 1) =>
  bumpOp.node([target, value], { scale }, label);

// ---- slots ----

describe("slots", () => {
  it("are two for a sequence of any length", async () => {
    const x = input([100]);
    let y: Tensor = x;
    for (let i = 0; i < 2000; i++) y = add(y, 1);
    const plan = planOf({ outputs: [y] });
    expect(plan.storage.slots).toEqual([100, 100]);
    checkPlan(plan);
    const cpu = new CpuBackend({ bits: 64 });
    const program = await cpu.compile({ outputs: [y] });
    program.run();
    expect((await program.read(y))[99]).toBe(2000);
  });

  it("are not reused before the backward pass has read them", () => {
    const x = input([100]);
    let y: Tensor = x;
    for (let i = 0; i < 6; i++) y = relu(y);
    const plan = planOf({ outputs: gradients(sum(y), [x]) });
    expect(plan.storage.slots.length).toBeGreaterThanOrEqual(7);
    checkPlan(plan);
  });

  it("of a layer's gradient are reused for the gradient of the layer before it", () => {
    const x = input([100]);
    const weights = Array.from({ length: 8 }, () => input([100]));
    let dy: Tensor = x;
    // From the last layer on, each has a gradient of its weights and one for the layer before it.
    const found = weights.map((w) => {
      const dw = mul(dy, w);
      dy = add(dy, w);
      return dw;
    });
    const plan = planOf({ outputs: [add(pack(found.reverse()), 1)] });
    // The flattened buffer, the result, and two gradients of activations, not one for each layer.
    expect(plan.storage.slots.filter((words) => words <= 128).length).toBeLessThanOrEqual(2);
    checkPlan(plan);
  });

  it("grow to the largest tensor that passes through them, padded to 16 bytes", () => {
    const x = input([5]);
    const wide = add(x, input([1000, 5]));
    const narrow = sum(mul(wide, 2), { axes: 0 });
    const { slots } = planOf({ outputs: [add(narrow, 1)] }).storage;
    expect(Math.max(...slots)).toBe(5000);
    expect(slots.every((words) => words % 4 === 0)).toBe(true);
  });

  it("are not used for outputs, which can be read after the run", () => {
    const x = input([10]);
    const first = add(x, 1);
    const plan = planOf({ outputs: [first, add(add(first, 1), 1)] });
    expect(plan.outputs.map((t) => plan.storage.placements.get(t)?.allocation.kind)).toEqual([
      "output",
      "output",
    ]);
    checkPlan(plan);
  });
});

// ---- flattened buffers ----

describe("flattened buffers", () => {
  it("hold their members at multiples of 64 words, in order, without overlap", () => {
    const parts = [[3], [64], [65], [2, 2]].map((shape) => mul(input(shape), 2));
    const plan = planOf({ outputs: [pack(parts)] });
    const placements = parts.map((_, i) => plan.storage.placements.get(plan.outputs[0]!.node.inputs[i]!)!);
    expect(placements.map((p) => p.offset)).toEqual([0, 64, 128, 256]);
    expect(new Set(placements.map((p) => p.allocation)).size).toBe(1);
    expect(plan.outputs[0]?.shape).toEqual([320]);
    expect(plan.graph.nodes.filter((n) => n.op.name === "copy")).toEqual([]);
  });

  it("of states are the memory of those states", () => {
    const states = [parameter([3]), parameter([5])];
    const plan = planOf({ outputs: [], updates: [bump(pack(states), input([]), "step")] });
    const allocations = states.map((t) => plan.storage.placements.get(t)?.allocation);
    expect(allocations[0]).toBe(allocations[1]);
    expect(allocations[0]?.kind).toBe("state");
  });

  it("refuse a state in two of them", () => {
    const [a, b] = [parameter([3]), parameter([5])];
    const updates = [bump(pack([a, b]), input([]), "one"), bump(pack([b, a]), input([]), "two")];
    expect(() => planOf({ outputs: [], updates })).toThrow(/already belongs to another flattened buffer/);
  });
});

// ---- updates ----

describe("updates", () => {
  const run = async (spec: GraphSpec, states: readonly Tensor[], times = 1) => {
    const cpu = new CpuBackend({ bits: 64 });
    const program = await cpu.compile(spec);
    program.run(times);
    const values = await Promise.all(states.map((t) => cpu.read(t)));
    const outputs = await Promise.all(spec.outputs.map((t) => program.read(t)));
    return { states: values.map((v) => v[0]), outputs: outputs.map((v) => v[0]) };
  };

  it("come after everything that reads the old value, wherever they are built", async () => {
    const a = state([], 1);
    const before = mul(a, 10);
    const update = bump(a, fill(5), "a += 5");
    const after = mul(a, 100);
    expect(await run({ outputs: [before, after], updates: [update] }, [a])).toEqual({
      states: [6],
      outputs: [10, 100],
    });
  });

  it("that read a state come before the one that changes it, however they are listed", async () => {
    const [a, b] = [state([], 1), state([], 2)];
    const changesA = bump(a, fill(10), "a += 10");
    const readsA = bump(b, a, "b += a");
    for (const updates of [
      [changesA, readsA],
      [readsA, changesA],
    ]) {
      expect((await run({ outputs: [], updates }, [a, b])).states).toEqual([11, 3]);
      expect(new Graph({ outputs: [], updates }).updates).toEqual([readsA, changesA]);
    }
  });

  it("of one state are refused, since each would see it as the step began", () => {
    const a = state([3], 1, "f32", "weight");
    const aloneOp = defineOp({ ...bumpDefinition, follows: false });
    const alone = (label: string) => aloneOp.node([a, fill(1)], { scale: 1 }, label);
    expect(() => new Graph({ outputs: [], updates: [alone("one"), alone("two")] })).toThrow(
      /updates: one and two both change weight, which each would see as the step began/,
    );
    const packed = bump(pack([a, state([2])]), fill(1), "three");
    expect(() => new Graph({ outputs: [], updates: [packed, alone("four")] })).toThrow(
      /three and four both change/,
    );
    expect(new Graph({ outputs: [], updates: [alone("five"), packed] }).updates).toHaveLength(2);
  });

  it("that yield are dropped where another one changes their state", () => {
    const [step, ring] = [state([1], 0, "u32"), state([2, 1])];
    const [one, two, recorded] = [increment(step), increment(step), record(ring, step, [fill(1)])];
    expect(new Graph({ outputs: [], updates: [one, two] }).updates).toEqual([one]);
    expect(new Graph({ outputs: [], updates: [one, recorded, two] }).updates).toEqual([recorded]);
    const other = increment(state([1], 0, "u32"));
    expect(new Graph({ outputs: [], updates: [other, recorded] }).updates).toEqual([other, recorded]);
  });

  it("of one state that follow each other keep their order", async () => {
    const a = state([], 1);
    const addOne = bump(a, fill(1), "a += 1");
    const addSelf = bump(a, reshape(fill(3), [1]), "a += 3");
    expect(new Graph({ outputs: [], updates: [addSelf, addOne] }).updates).toEqual([addSelf, addOne]);
    expect((await run({ outputs: [], updates: [addSelf, addOne] }, [a], 3)).states).toEqual([13]);
  });

  it("listed twice are carried out once", async () => {
    const a = state([], 1);
    const update = bump(a, fill(1), "a += 1");
    expect((await run({ outputs: [], updates: [update, update] }, [a])).states).toEqual([2]);
  });

  it("read each other's old values through computed tensors", async () => {
    const [a, b] = [state([], 1), state([], 2)];
    const updates = [bump(a, mul(b, 1), "a += b"), bump(b, mul(a, 1), "b += a")];
    expect((await run({ outputs: [], updates }, [a, b])).states).toEqual([3, 3]);
  });

  it("that each change what the other reads are refused by name", () => {
    const [a, b] = [state([]), state([])];
    const updates = [bump(a, b, "first"), bump(b, a, "second")];
    expect(() => new Graph({ outputs: [], updates })).toThrow(
      /updates: each of first, second changes a state that another one reads/,
    );
  });

  it("are ordered through flattened and reshaped states", () => {
    const [a, b] = [state([2]), state([2])];
    const whole = bump(pack([a, b]), fill(1), "whole");
    const reads = bump(state([]), reshape(b, [2, 1]), "reads");
    expect(new Graph({ outputs: [], updates: [whole, reads] }).updates).toEqual([reads, whole]);
  });

  it("keep states between runs, and outputs that are states have their new values", async () => {
    const a = state([], 1);
    expect(await run({ outputs: [a], updates: [bump(a, mul(a, 1), "a += a")] }, [a], 10)).toEqual({
      states: [1024],
      outputs: [1024],
    });
  });

  it("outside `updates` are refused", () => {
    const loose = defineOp({
      name: "loose",
      args: ["target"],
      results: ["y"],
      mutates: ["target"],
      plan: ([t], _attrs: Record<string, never>) => ({ outputs: [t!], constants: {} }),
      cpu: () => undefined,
    });
    const y = loose.one([state([])], {}, "loose.step");
    expect(() => new Graph({ outputs: [mul(y, 2)] })).toThrow(
      /loose.step: changes states, so it belongs in `updates`/,
    );
    expect(new Graph({ outputs: [y], updates: [y.node] }).nodes).toEqual([y.node]);
    // The results of an update may be read; then no other node may use its states.
    const twice = mul(y, 2);
    expect(new Graph({ outputs: [twice], updates: [y.node] }).nodes).toEqual([y.node, twice.node]);
    for (const other of [mul(y.node.inputs[0]!, 3), pack([y.node.inputs[0]!])]) {
      expect(() => new Graph({ outputs: [twice, add(other, 1)], updates: [y.node] })).toThrow(
        /loose.step: changes a state that (mulScalar|pack) uses, too/,
      );
    }
  });

  it("of anything but states are refused", () => {
    const x = input([]);
    expect(() => new Graph({ outputs: [], updates: [bump(x, fill(1), "step")] })).toThrow(
      /step: changes input, which is not a state/,
    );
    expect(() => new Graph({ outputs: [], updates: [bump(mul(x, 2), fill(1), "step")] })).toThrow(
      /step: changes mulScalar, which is not a state/,
    );
    expect(() => new Graph({ outputs: [], updates: [bump(fill(2), fill(1), "step")] })).toThrow(
      /step: changes constant, which is not a state/,
    );
  });

  function fill(value: number): Tensor {
    return constant(Float32Array.of(value), []);
  }
});

// ---- unused nodes, forced variants ----

describe("plans", () => {
  it("drop nodes that no output or update needs", () => {
    const x = input([4]);
    const wanted = mul(x, 2);
    add(wanted, 1);
    gradients(sum(wanted), [x]);
    expect(planOf({ outputs: [wanted] }).graph.nodes).toEqual([wanted.node]);
  });

  it("list the users of a tensor, each once", () => {
    const x = input([4]);
    const [a, b] = [mul(x, x), add(x, 1)];
    const graph = new Graph({ outputs: [a, b] });
    expect(graph.users(x)).toEqual([a.node, b.node]);
    expect(graph.users(a)).toEqual([]);
    expect(graph.isOutput(a)).toBe(true);
    expect(graph.isOutput(x)).toBe(false);
    expect(graph.leaves()).toEqual([x]);
  });

  it("force kernel variants by op name, and refuse unknown ones", () => {
    const [loss] = crossEntropyOp.apply([input([4, 3]), input([4], "i32")], {}) as [Tensor];
    const entries = (variant: string) => {
      const plan = planOf({ outputs: [loss] }, { crossEntropy: variant });
      return plan.kernels.get(plan.graph.nodes[0]!)?.kernels.map((k) => k.entry);
    };
    expect(entries("single")).toEqual(["single"]);
    expect(entries("rows")).toEqual(["countRows", "rows", "total"]);
    expect(() => entries("sideways")).toThrow(
      /crossEntropy: has no variant sideways, only single, rows, wide/,
    );
  });
});
