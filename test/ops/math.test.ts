/** Functions of mathematics, comparisons and choices: values, slopes, second slopes, and the corners as in PyTorch. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import { erfOf, roundOf } from "../../src/numbers/math-scalar.ts";
import { Random } from "../../src/numbers/random.ts";
import { softplus } from "../../src/ops/elementwise/activations.ts";
import { eq, ge, gt, le, lt, maximum, minimum, ne, where } from "../../src/ops/elementwise/compare.ts";
import * as math from "../../src/ops/elementwise/math.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";

type Unary = (x: Tensor) => Tensor;
const smooth: readonly (readonly [string, Unary, readonly [number, number]])[] = [
  ["exp", math.exp, [-5, 5]],
  ["expm1", math.expm1, [-2, 2]],
  ["log", math.log, [0.1, 10]],
  ["log1p", math.log1p, [-0.9, 5]],
  ["sqrt", math.sqrt, [0.1, 9]],
  ["rsqrt", math.rsqrt, [0.1, 9]],
  ["sin", math.sin, [-20, 20]],
  ["cos", math.cos, [-20, 20]],
  ["erf", math.erf, [-3, 3]],
  ["abs", math.abs, [-1, 1]],
];
const again =
  (f: Unary): Unary =>
  (x) =>
    gradients(sum(f(x)), [x])[0] as Tensor;
const cases = (name: string, f: Unary, range: readonly [number, number]): OpCase[] => [
  ...[[], [1], [3], [64], [7, 19]].map((shape) => ({
    name: `${name} [${shape}]`,
    inputs: [{ shape, range }],
    build: (x: Tensor | undefined) => f(x as Tensor),
  })),
  { name: `${name}'`, inputs: [{ shape: [33], range }], build: (x) => again(f)(x as Tensor) },
];

// WGSL allows exp and log errors of some ulp and more (WGSL 15.7.4, accuracy of built-ins); erf is a fit to 1.5e-7.
checkOp(
  "functions of one variable",
  smooth.flatMap((s) => cases(...s)),
  { atol: 2e-6, rtol: 2e-5 },
);

checkOp(
  "steps",
  [
    ["sign", math.sign],
    ["floor", math.floor],
    ["ceil", math.ceil],
    ["round", math.round],
  ].map(([name, f]) => ({
    name: name as string,
    inputs: [{ shape: [9], data: [-2.5, -1.5, -0.75, -0.5, 0, 0.5, 1.25, 1.5, 2.5] }],
    build: (x) => (f as Unary)(x as Tensor),
  })),
  { gradients: false },
);

checkOp(
  "powers and limits",
  [
    { name: "pow 3", inputs: [{ shape: [65] }], build: (x) => math.pow(x!, 3) },
    { name: "pow -2", inputs: [{ shape: [65], range: [-2, -0.5] }], build: (x) => math.pow(x!, -2) },
    { name: "pow 0.5", inputs: [{ shape: [65], range: [0.2, 3] }], build: (x) => math.pow(x!, 0.5) },
    { name: "pow 0", inputs: [{ shape: [5] }], build: (x) => math.pow(x!, 0) },
    {
      name: "pow of tensors",
      inputs: [
        { shape: [4, 1], range: [0.2, 3] },
        { shape: [7], range: [-2, 2] },
      ],
      build: (a, b) => math.pow(a!, b!),
    },
    { name: "clamp", inputs: [{ shape: [65] }], build: (x) => math.clamp(x!, -0.5, 0.25) },
    { name: "clamp from below", inputs: [{ shape: [65] }], build: (x) => math.clamp(x!, 0.1) },
    {
      name: "minimum and maximum",
      inputs: [{ shape: [5, 1] }, { shape: [13] }],
      build: (a, b) => [minimum(a!, b!), maximum(a!, b!)],
    },
    {
      name: "where",
      inputs: [{ shape: [5, 1] }, { shape: [13] }, { shape: [5, 13] }],
      build: (c, a, b) => where(gt(c!, 0), a!, b!),
    },
  ],
  { rtol: 2e-5 },
);

async function values(backend: Backend, t: Tensor): Promise<number[]> {
  const program = await backend.compile({ outputs: [t] });
  program.run();
  return Array.from(await program.read(t));
}

describe.each([
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
] as const)("corners on the %s", (_, open) => {
  const of = (...data: number[]) => constant(Float32Array.from(data));

  it("pow takes negative bases to whole exponents only", async () => {
    const y = math.pow(of(-2, -2, -2, 0, 0, 0, 5, -1), of(3, 2, 0.5, 0, 2, -1, 0, 1e30));
    const got = await values(await open(), y);
    expectClose("pow", got, [-8, 4, Number.NaN, 1, 0, Number.POSITIVE_INFINITY, 1, 1], [8], { rtol: 1e-6 });
  });

  it("log, log1p, exp and expm1 outside their domains and at the ends of the numbers", async () => {
    const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];
    const backend = await open();
    expect(await values(backend, math.log(of(-10, 0, -0, nan, inf, 1, -inf)))).toEqual([
      nan,
      -inf,
      -inf,
      nan,
      inf,
      0,
      nan,
    ]);
    expect(await values(backend, math.log1p(of(-2, -1, nan, inf, 0)))).toEqual([nan, -inf, nan, inf, 0]);
    expect(await values(backend, math.exp(of(nan, -inf, inf, 0)))).toEqual([nan, 0, inf, 1]);
    expect(await values(backend, math.expm1(of(nan, -inf, inf, 0)))).toEqual([nan, -1, inf, 0]);
    expect(await values(backend, softplus(of(nan, 0, -1000)))).toEqual([nan, expect.closeTo(Math.LN2, 6), 0]);
  });

  it("equal operands of minimum and maximum share the slope", async () => {
    const [a, b] = [of(1, 2, 2), of(1, 3, 1)];
    const grads = gradients(sum(maximum(a, b)), [a, b]);
    expect(await values(await open(), grads[0] as Tensor)).toEqual([0.5, 0, 1]);
    expect(await values(await open(), grads[1] as Tensor)).toEqual([0.5, 1, 0]);
  });

  it("comparisons give 1 and 0", async () => {
    const [a, b] = [of(1, 2, 3), of(2, 2, 2)];
    const compare = { eq, ne, lt, le, gt, ge };
    const rows: Record<string, readonly number[]> = {
      eq: [0, 1, 0],
      ne: [1, 0, 1],
      lt: [1, 0, 0],
      le: [1, 1, 0],
      gt: [0, 0, 1],
      ge: [0, 1, 1],
    };
    for (const [name, row] of Object.entries(rows)) {
      expect(await values(await open(), compare[name as keyof typeof compare](a, b)), name).toEqual(row);
    }
  });

  it("a slope does not pass a condition or a step", async () => {
    const x = of(1, -1);
    const y = sum(where(gt(x, 0), math.floor(x), x));
    expect(await values(await open(), gradients(y, [x])[0] as Tensor)).toEqual([0, 1]);
  });
});

it("erf and round on numbers", () => {
  // Abramowitz and Stegun, table 7.1; the last from erfc(3) = 2.209049699858544e-5.
  for (const [x, y] of [
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [2, 0.9953222650189527],
    [3, 1 - 2.209049699858544e-5],
  ] as const) {
    expect(Math.abs(erfOf(x) - y)).toBeLessThan(1e-15);
    expect(erfOf(-x)).toBe(-erfOf(x));
  }
  expect([-2.5, -1.5, 0.5, 1.5, 2.4, 2.6].map(roundOf)).toEqual([-2, -2, 0, 2, 2, 3]);
});

it("refuses limits and exponents that can't be", () => {
  expect(() => math.clamp(input([1]), 2, 1)).toThrow(/clamp: low must be at most high, got 2 and 1/);
  expect(() => math.pow(input([1]), Number.NaN)).toThrow(/pow: exponent must be finite/);
});

it("sine and cosine are right for every angle, within [-1, 1], and NaN of an infinite one", async () => {
  const random = new Random(3, 0);
  const angles = Float32Array.from(
    [511, 512, 513, 1e4, 1e5, 65536 * Math.PI, 1e6, 2 ** 24, 1e10, 1e20, 3e38].flatMap((size) =>
      Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 1 : -1) * size * (i < 2 ? 1 : random.uniform())),
    ),
  );
  const x = constant(angles);
  const end = constant(Float32Array.of(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN));
  for (const backend of [new CpuBackend(), await gpuBackend()]) {
    for (const [f, exact] of [
      [math.sin, Math.sin],
      [math.cos, Math.cos],
    ] as const) {
      const [y, strange] = [f(x), f(end)];
      const program = await backend.compile({ outputs: [y, strange] });
      program.run();
      const found = await program.read(y);
      expectClose(f.name, found, Array.from(angles, exact), [angles.length], { atol: 2.5e-7, rtol: 0 });
      expect(found.every((v) => Math.abs(v) <= 1)).toBe(true);
      expect(Array.from(await program.read(strange))).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    }
  }
});
