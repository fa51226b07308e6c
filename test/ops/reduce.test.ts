/** max, min, prod, variance, std, logSumExp: choices of axes, long lines, and the corners as PyTorch has them. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { type Shape, sizeOf } from "../../src/graph/spec.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import { square } from "../../src/ops/elementwise/arithmetic.ts";
import { logSumExp, max, min, prod, std, variance } from "../../src/ops/reduce/reduce.ts";
import { mean, type ReduceOptions, sum } from "../../src/ops/reduce/sum.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

const grid: readonly (readonly [Shape, number[]])[] = [
  [[1], [0]],
  [[7], [0]],
  [[5, 1], []],
  [[3, 65], [1]],
  [[3, 65], [0]],
  [
    [2, 3, 5],
    [0, 2],
  ],
  [
    [2, 3, 5, 7],
    [1, 3],
  ],
  [[129], [0]],
  [[40, 321], [1]],
];

const functions: Record<string, (x: Tensor, options: ReduceOptions) => Tensor> = {
  max,
  min,
  prod,
  logSumExp,
  variance: (x, options) => variance(x, { correction: 0, ...options }),
  std: (x, options) => std(x, { correction: 0, ...options }),
};

for (const [title, apply] of Object.entries(functions)) {
  // The spread of a single value is 0, where a root has no slope to compare.
  const cases = grid.filter(([shape, axes]) => title !== "std" || axes.some((axis) => shape[axis]! > 1));
  checkOp(
    title,
    cases.map(([shape, axes]) => ({
      name: `[${shape}] over [${axes}]`,
      inputs: [{ shape, range: title === "prod" ? [0.8, 1.2] : [-1, 1] }],
      build: (x) => apply(x!, { axes }),
    })),
    // Products of hundreds of factors lose a bit for each.
    title === "prod" ? { rtol: 1e-4, atol: 1e-5 } : {},
  );
}

checkOp("of all, in parts", [
  { name: "max of 70000", inputs: [{ shape: [70_000] }], build: (x) => max(x!) },
  { name: "min of 65600", inputs: [{ shape: [65_600] }], build: (x) => min(x!) },
  { name: "unbiased", inputs: [{ shape: [6, 11] }], build: (x) => variance(x!, { axes: 0, keepDims: true }) },
  { name: "unbiased root", inputs: [{ shape: [6, 11] }], build: (x) => std(x!, { axes: -1 }) },
]);

checkOp("prod with zeros", [
  { name: "none", inputs: [{ shape: [3], data: [2, -3, 4] }], build: (x) => prod(x!) },
  { name: "one", inputs: [{ shape: [2, 3], data: [2, 0, 4, 1, 2, 3] }], build: (x) => prod(x!, { axes: 1 }) },
  { name: "two", inputs: [{ shape: [4], data: [2, 0, 4, 0] }], build: (x) => prod(x!) },
]);

checkOp("differentiated twice", [
  {
    name: "variance",
    inputs: [{ shape: [4, 3] }],
    build: (x) => gradients(sum(square(variance(x!, { axes: 0 }))), [x!])[0]!,
  },
  {
    name: "logSumExp",
    inputs: [{ shape: [4, 3] }],
    build: (x) => gradients(sum(logSumExp(x!, { axes: 1 })), [x!])[0]!,
  },
  {
    name: "prod",
    inputs: [{ shape: [4, 3], range: [1, 2] }],
    build: (x) => gradients(sum(prod(x!, { axes: 1 })), [x!])[0]!,
  },
]);

const backends = [
  ["cpu", async (): Promise<Backend> => new CpuBackend()],
  ["webgpu", gpuBackend],
] as const;
const [nan, inf] = [Number.NaN, Number.POSITIVE_INFINITY];

describe.each(backends)("corners on %s", (_, open) => {
  const evaluate = async (values: readonly number[], apply: (x: Tensor) => Tensor) => {
    const backend = await open();
    const x = input([values.length]);
    const y = apply(x);
    const [dx] = gradients(y, [x]);
    const program = await backend.compile({ outputs: [y, dx!] });
    backend.write(x, Float32Array.from(values));
    program.run();
    return [[...(await program.read(y))], [...(await program.read(dx!))]];
  };

  it.each([
    ["max: ties share the gradient", max, [3, 1, 3], [3], [0.5, 0, 0.5]],
    ["min: ties share the gradient", min, [1, 4, 1, 1], [1], [1 / 3, 0, 1 / 3, 1 / 3].map(Math.fround)],
    ["max: all equal", max, [2, 2], [2], [0.5, 0.5]],
    ["max: nothing but -Infinity", max, [-inf, -inf], [-inf], [0.5, 0.5]],
    ["variance: all equal", variance, [2, 2, 2], [0], [0, 0, 0]],
    ["std: all equal, gradient 0", std, [2, 2, 2], [0], [0, 0, 0]],
    ["prod: a zero", prod, [2, 0, 5], [0], [0, 10, 0]],
    ["logSumExp: large", logSumExp, [1e4, -1e4], [1e4], [1, 0]],
    ["logSumExp: very small", logSumExp, [-1e4, -1e4 - 200], [-1e4], [1, 0]],
  ] as const)("%s", async (_, apply, values, y, dx) => {
    expect(await evaluate(values, (x) => apply(x))).toEqual([y, dx]);
  });

  it("NaN wins, infinities stay, one value has no unbiased variance", async () => {
    expect((await evaluate([1, nan, 3], (x) => max(x)))[0]).toEqual([nan]);
    expect((await evaluate([nan, -inf], (x) => min(x)))[0]).toEqual([nan]);
    expect((await evaluate([inf, 1], (x) => logSumExp(x)))[0]).toEqual([inf]);
    expect((await evaluate([-inf, -inf], (x) => logSumExp(x)))[0]).toEqual([-inf]);
  });

  // Fused, as `evaluate` compiles.
  it("variance: one value has none, nor a gradient; large, infinite and NaN values", async () => {
    for (const f of [variance, std]) {
      for (const v of [5, inf, nan]) expect(await evaluate([v], (x) => f(x))).toEqual([[nan], [nan]]);
      expect(await evaluate([5], (x) => f(x, { correction: 0 }))).toEqual([[0], [0]]);
      for (const v of [inf, nan])
        expect(await evaluate([v], (x) => f(x, { correction: 0 }))).toEqual([[nan], [nan]]);
      expect((await evaluate([1, inf, 3], (x) => f(x)))[0]).toEqual([nan]);
      expect(await evaluate([1e30, 1e30, 1e30], (x) => f(x))).toEqual([[0], [0, 0, 0]]);
    }
  });
});

it("drops reduced axes, or keeps them as 1; refuses what it can't reduce", () => {
  const x = input([2, 3, 5]);
  expect(max(x).shape).toEqual([]);
  expect(variance(x, { axes: [0, 2], keepDims: true }).shape).toEqual([1, 3, 1]);
  expect(logSumExp(x, { axes: 1 }).shape).toEqual([2, 5]);
  expect(() => max(x, { axes: 3 })).toThrow(/max: axis 3 does not exist in a tensor of rank 3/);
  expect(() => variance(x, { correction: nan })).toThrow(/variance: correction must be a finite number/);
});

for (const dtype of ["i32", "u32"] as const) {
  checkOp(
    `reductions of ${dtype}`,
    [...grid, [[70_000], [0]] as const, [[3, 9001], [1]] as const].map(([shape, axes]) => {
      const data = Array.from({ length: sizeOf(shape) }, (_, i) => {
        const v = (i * 2654435761 + 12345) % 2 ** 32;
        return dtype === "u32" ? v : v - 2 ** 31;
      });
      return {
        name: `[${shape}] over [${axes}]`,
        inputs: [{ shape, dtype, data }],
        build: (x) => [sum(x!, { axes }), max(x!, { axes }), min(x!, { axes }), prod(x!, { axes })],
      };
    }),
    { gradients: false },
  );
}

it("integers wrap around, keep their dtype, and have no mean", async () => {
  const values = [2 ** 31 - 1, 2 ** 31 - 1, 7, -5];
  const big = values.map(BigInt);
  const expected = [big.reduce((a, b) => a + b), big.reduce((a, b) => a * b)];
  for (const [, open] of backends) {
    const x = constant(Int32Array.from(values));
    const outputs = [sum(x), prod(x), max(x), min(x)];
    const program = await (await open()).compile({ outputs });
    program.run();
    const found = await Promise.all(outputs.map(async (t) => (await program.read(t))[0]));
    expect(found).toEqual([...expected.map((v) => Number(BigInt.asIntN(32, v))), 2 ** 31 - 1, -5]);
  }
  const i = input([3], "i32");
  expect([sum(i).dtype, max(input([3], "u32")).dtype]).toEqual(["i32", "u32"]);
  for (const f of [mean, variance, std, logSumExp]) {
    expect(() => f(i)).toThrow(/input must be f32, as ops\.cast\(x, "f32"\) gives it, got i32\[3\]/);
  }
});
