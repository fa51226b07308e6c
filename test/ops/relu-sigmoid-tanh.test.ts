/** relu, sigmoid, tanh: over many shapes, second derivatives, and the values where activations go wrong. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import type { Shape } from "../../src/graph/spec.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import { ACTIVATION, activate, derivative } from "../../src/kernels/activation-codes.ts";
import { mul, square } from "../../src/ops/elementwise/arithmetic.ts";
import { relu, sigmoid, tanh } from "../../src/ops/elementwise/relu-sigmoid-tanh.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";

const shapes: readonly Shape[] = [
  [],
  [1],
  [7],
  [63],
  [64],
  [65],
  [256],
  [257],
  [3, 5, 7],
  [1, 1, 3],
  [70001],
];
const activations = { relu, sigmoid, tanh } as const;

for (const [name, op] of Object.entries(activations)) {
  checkOp(
    name,
    shapes.map((shape) => ({
      name: `[${shape}]`,
      inputs: [{ shape, range: [-4, 4] }],
      build: (x) => op(x!),
    })),
  );
  checkOp(`${name}: the gradient has a gradient`, [
    {
      name: "of its square",
      inputs: [{ shape: [13], range: [-2, 2] }, { shape: [13] }],
      build: (x, w) => gradients(sum(mul(square(op(x!)), w!)), [x!]),
    },
  ]);
}

const backends = [
  ["cpu", async (): Promise<Backend> => new CpuBackend()],
  ["webgpu", gpuBackend],
] as const;

describe.each(backends)("activations on %s", (_, open) => {
  const evaluate = async (op: (x: Tensor) => Tensor, values: readonly number[]) => {
    const backend = await open();
    const x = input([values.length]);
    const y = op(x);
    const [dx] = gradients(sum(y), [x]) as [Tensor];
    const program = await backend.compile({ outputs: [y, dx] }, { fuse: false });
    backend.write(x, Float32Array.from(values));
    program.run();
    return { y: [...(await program.read(y))], dx: [...(await program.read(dx))] };
  };
  const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];
  const large = [1e4, -1e4, 3e38, -3e38, inf, -inf];

  it("relu keeps large numbers, drops negative ones, derivative 0 at 0 and -0", async () => {
    const { y, dx } = await evaluate(relu, [...large, 0, -0]);
    expect(y.map(Math.abs)).toEqual([1e4, 0, 3e38, 0, inf, 0, 0, 0].map(Math.fround));
    expect(dx).toEqual([1, 0, 1, 0, 1, 0, 0, 0]);
  });

  it("sigmoid ends at 0 and 1 without overflow", async () => {
    const { y, dx } = await evaluate(sigmoid, [...large, 0, -0, 20, -20, 88, -87]);
    const near = 1 / (1 + Math.exp(-20));
    expectClose("y", y, [1, 0, 1, 0, 1, 0, 0.5, 0.5, near, 1 - near, 1, 0], [12]);
    expectClose("dx", dx, [0, 0, 0, 0, 0, 0, 0.25, 0.25, near * (1 - near), near * (1 - near), 0, 0], [12]);
  });

  it("sigmoid keeps small shares to their own precision", async () => {
    const { y } = await evaluate(sigmoid, [-20, -40, -80]);
    expectClose(
      "y",
      y,
      [-20, -40, -80].map((x) => Math.exp(x)),
      [3],
      { atol: 0, rtol: 3e-5 },
    );
  });

  it("tanh ends at -1 and 1 without overflow", async () => {
    const { y, dx } = await evaluate(tanh, [...large, 0, -0, 9, -9, 50, -50]);
    expectClose("y", y, [1, -1, 1, -1, 1, -1, 0, 0, 1, -1, 1, -1], [12]);
    expectClose("dx", dx, [0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0], [12]);
  });

  it("keeps numbers as small as the least normal one", async () => {
    const small = [2 ** -126, -(2 ** -126), 1e-30, -1e-30];
    expect((await evaluate(relu, small)).y).toEqual([2 ** -126, 0, Math.fround(1e-30), 0]);
    expectClose("tanh", (await evaluate(tanh, small.slice(2))).y, [1e-30, -1e-30], [2], { atol: 1e-7 });
    expectClose("sigmoid", (await evaluate(sigmoid, small)).y, [0.5, 0.5, 0.5, 0.5], [4]);
  });

  it("tanh keeps small numbers to their own precision", async () => {
    const small = [1e-30, -1e-20, 1e-7, -1e-5, 1e-3, -0.02, 0.1, 0.24, -0.25, 0.26];
    const { y } = await evaluate(tanh, small);
    expectClose("y", y, small.map(Math.tanh), [10], { atol: 0, rtol: 2e-6 });
  });

  it("makes of a denormal number itself or 0, nothing else", async () => {
    const [least] = (await evaluate(relu, [1e-40])).y as [number];
    expect([0, Math.fround(1e-40)]).toContain(least);
  });

  it("passes NaN on", async () => {
    for (const op of Object.values(activations)) {
      const { y } = await evaluate(op, [nan, 1]);
      expect(y.map(Number.isNaN), op.name).toEqual([true, false]);
    }
  });
});

it("applies by code what the ops compute, for fused kernels' CPU bodies", async () => {
  const cpu = new CpuBackend({ bits: 64 });
  const values = [-1e4, -3, -0.5, -0, 0, 0.5, 3, 1e4, Number.NaN];
  for (const [name, op] of Object.entries(activations)) {
    const x = input([values.length]);
    const y = op(x);
    const [dx] = gradients(sum(y), [x]) as [Tensor];
    const program = await cpu.compile({ outputs: [y, dx] });
    cpu.write(x, Float64Array.from(values));
    program.run();
    const code = ACTIVATION[name as keyof typeof activations];
    expect([...(await program.read(y))], name).toEqual(values.map((v) => activate(code, v)));
    expect([...(await program.read(dx))].slice(0, -1), name).toEqual(
      values.slice(0, -1).map((v) => derivative(code, activate(code, v))),
    );
  }
  expect(values.map((v) => activate(ACTIVATION.none, v))).toEqual(values);
  expect(derivative(ACTIVATION.none, 7)).toBe(1);
});

it("refuses whole numbers", () => {
  expect(() => relu(constant(new Int32Array(3)))).toThrow(/relu: inputs must be f32, got i32\[3\]/);
});
