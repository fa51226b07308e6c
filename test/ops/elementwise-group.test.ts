/** Groups of element-wise ops become one dispatch and give what the single ops give; updates among them work in place. */
import { describe, expect, it } from "vitest";
import type { Data } from "../../src/graph/spec.ts";
import { input, type Node, type Tensor } from "../../src/graph/tensor.ts";
import { add, div, mul, square, sub } from "../../src/ops/elementwise/arithmetic.ts";
import { sigmoid, tanh } from "../../src/ops/elementwise/relu-sigmoid-tanh.ts";
import { expand, mean, sum } from "../../src/ops/reduce/sum.ts";
import { pack } from "../../src/ops/shape/pack.ts";
import { reshape } from "../../src/ops/shape/reshape.ts";
import { assign } from "../../src/ops/state/assign.ts";
import { updateCount } from "../../src/optim/scheduled-rate.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { numbers, stateOf } from "../support/update-run.ts";

checkOp(
  "element-wise group",
  [
    { name: "one after another", inputs: [{ shape: [7, 9] }], build: (x) => tanh(add(mul(x!, 3), 1)) },
    {
      name: "a diamond",
      inputs: [{ shape: [65] }],
      build: (x) => {
        const y = sigmoid(x!);
        return add(mul(y, 2), square(y));
      },
    },
    {
      name: "broadcast inputs",
      inputs: [{ shape: [3, 1, 5] }, { shape: [4, 1] }, { shape: [5] }],
      build: (a, b, c) => tanh(mul(add(add(a!, b!), c!), add(a!, b!))),
    },
    {
      name: "more inputs than a kernel binds",
      inputs: Array.from({ length: 11 }, () => ({ shape: [130] })),
      build: (...xs) => xs.reduce((a, b) => add(mul(a, 0.5), b)),
    },
    {
      name: "a small part inside a large one",
      inputs: [{ shape: [4] }, { shape: [6, 4] }],
      build: (a, b) => mul(add(square(a!), 1), b!),
    },
    {
      name: "stretched at the end",
      inputs: [{ shape: [1, 3] }],
      build: (x) => expand(tanh(mul(x!, 2)), [8, 3]),
    },
    ...[8192, 8195, 8206].map((size) => ({
      name: `${size} elements, a run of vectors per invocation on processors`,
      inputs: [{ shape: [size] }, { shape: [] }],
      build: (x: Tensor, by: Tensor) => tanh(add(mul(x, by), 1)),
    })),
    ...[1040, 1044].map((row) => ({
      name: `rows of ${row} that share one input and have another in common`,
      inputs: [{ shape: [2, 5, row] }, { shape: [5, 1] }, { shape: [row] }],
      build: (x: Tensor, ofRow: Tensor, ofColumn: Tensor) => tanh(add(mul(x, ofRow), ofColumn)),
    })),
    {
      name: "mean squared error",
      inputs: [{ shape: [33, 3] }, { shape: [33, 3], gradient: false }],
      build: (x, t) => mean(square(sub(x!, t!))),
    },
  ],
  { fuse: true },
);

async function dispatches(outputs: Tensor[]): Promise<number> {
  return (await (await gpuBackend()).compile({ outputs })).describe().dispatches;
}

it("takes one dispatch for a group, and keeps what is read elsewhere", async () => {
  const x = input([50]);
  const y = add(x, 1);
  const z = div(tanh(mul(y, 2)), 3);
  expect(await dispatches([z])).toBe(1);
  expect(await dispatches([y, z])).toBe(2);
  // y feeds a sum as well, so it is stored.
  expect(await dispatches([z, sum(y)])).toBe(3);
});

describe("updates of states", () => {
  const values = (stream: number) => numbers(8300, stream);
  const compiled = async (updates: readonly Node[]) => {
    const gpu = await gpuBackend();
    return { gpu, program: await gpu.compile({ outputs: [], updates }) };
  };

  /** States after one run on the GPU, fused and op by op, against the CPU reference. */
  async function check(
    build: () => { updates: readonly Node[]; states: readonly Tensor[] },
    dispatches: number,
  ) {
    const results: Data[][] = [];
    for (const [backend, fuse] of [
      [new CpuBackend({ bits: 64 }), false],
      [await gpuBackend(), false],
      [await gpuBackend(), true],
    ] as const) {
      const { updates, states } = build();
      const program = await backend.compile({ outputs: [], updates }, { fuse });
      program.run();
      results.push(await backend.readAll(states));
      if (fuse) expect(program.describe().dispatches).toBe(dispatches);
    }
    const [expected, ...others] = results as [Data[], ...Data[][]];
    for (const actual of others) {
      actual.forEach((data, i) => {
        expectClose(`state ${i}`, data, expected[i]!, [data.length], { atol: 1e-6, rtol: 1e-6 });
      });
    }
  }

  it("take one dispatch, in which a value that is used and assigned is computed once", () =>
    check(() => {
      const [p, m, rate, step] = [
        stateOf(values(0)),
        stateOf(values(1)),
        stateOf([0.5]),
        stateOf(Uint32Array.of(3)),
      ];
      const next = add(mul(m, 0.9), mul(p, 0.1));
      const scaled = mul(rate, updateCount(step));
      return { updates: [assign(p, sub(p, mul(scaled, next))), assign(m, next)], states: [p, m] };
    }, 1));

  it("swap two states", () =>
    check(() => {
      const [a, b] = [stateOf(values(0)), stateOf(values(1))];
      return { updates: [assign(a, b), assign(b, a)], states: [a, b] };
    }, 1));

  it("of other shapes are groups of their own; a number stretches", () =>
    check(() => {
      const [a, b, one] = [stateOf(values(0)), stateOf(numbers(5, 1)), stateOf([2])];
      const updates = [assign(a, mul(a, one)), assign(b, one), assign(one, mul(one, 0.5))];
      return { updates, states: [a, b, one] };
    }, 3));

  it("are split where they bind more buffers than every device has", () =>
    check(() => {
      const states = Array.from({ length: 11 }, (_, i) => stateOf(values(i)));
      const total = states.reduce((a, b) => add(mul(a, 0.5), b));
      // The last reads what the first becomes, which takes all states to compute.
      const first = states[0] as Tensor;
      const updates = [
        assign(first, total),
        ...states.slice(1).map((s, i) => assign(s, mul(i === 9 ? total : s, 2))),
      ];
      return { updates, states };
    }, 3));

  it("read what an earlier group has stored, or the state as it was", () =>
    check(() => {
      const states = Array.from({ length: 8 }, (_, i) => stateOf(values(i)));
      const [p, average, before] = [states[0] as Tensor, stateOf(values(20)), stateOf(values(21))];
      const next = states.reduce((a, b) => add(a, mul(b, 0.1)));
      const updates = [
        assign(p, next),
        assign(average, mul(add(average, next), 0.5)),
        assign(before, mul(p, 3)),
      ];
      return { updates, states: [p, average, before] };
    }, 3));

  it("keep a value that the host reads or another op takes", async () => {
    const gpu = await gpuBackend();
    const [p, q] = [stateOf([1, 2, 3]), stateOf([0])];
    const next = mul(p, 2);
    const program = await gpu.compile({
      outputs: [next],
      updates: [assign(p, add(next, 1)), assign(q, reshape(sum(next), [1]))],
    });
    program.run(2);
    expect([...(await program.read(next))]).toEqual([6, 10, 14]);
    expect([...(await gpu.read(p))]).toEqual([7, 11, 15]);
    expect([...(await gpu.read(q))]).toEqual([30]);
  });

  it("work on packed states beside others of the same buffer", async () => {
    const [a, b, c] = [stateOf([1, 2]), stateOf([3, 4]), stateOf([5, 6])];
    const { gpu, program } = await compiled([assign(a, add(b, c)), assign(c, mul(c, 2))]);
    const packed = await gpu.compile({ outputs: [], updates: [assign(pack([a, b]), 7)] });
    packed.run();
    program.run();
    expect((await gpu.readAll([a, b, c])).map((data) => [...data])).toEqual([
      [12, 13],
      [7, 7],
      [10, 12],
    ]);
    const flat = pack([b, c]);
    const both = await gpu.compile({
      outputs: [],
      updates: [assign(flat, add(flat, 1)), assign(a, mul(b, 2))],
    });
    both.run();
    expect((await gpu.readAll([a, b, c])).map((data) => [...data])).toEqual([
      [14, 14],
      [8, 8],
      [11, 13],
    ]);
  });
});
