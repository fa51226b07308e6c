/**
 * batchNorm, layerNorm, groupNorm, rmsNorm: shapes, with and without weight and bias, gradients twice, zero variance,
 * fused with what follows, dispatches, refusals.
 */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import type { Shape } from "../../src/graph/spec.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { mul, square } from "../../src/ops/elementwise/arithmetic.ts";
import { relu } from "../../src/ops/elementwise/relu-sigmoid-tanh.ts";
import { batchNorm, batchNormWith, groupNorm, layerNorm, rmsNorm } from "../../src/ops/norm/normalize.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

type Norm = (x: Tensor, weight?: Tensor, bias?: Tensor) => Tensor;

/** Without weights, with a weight, with both. */
const cases = (shape: Shape, size: Shape, norm: Norm, most = 2) =>
  [0, 1, 2].slice(0, most + 1).map((weights) => ({
    name: `[${shape}], ${["plain", "weight", "weight and bias"][weights]}`,
    inputs: [{ shape }, ...Array.from({ length: weights }, () => ({ shape: size }))],
    build: (x: Tensor, weight?: Tensor, bias?: Tensor) => norm(x, weight, bias),
  }));

const batchNormY: Norm = (x, weight, bias) => batchNorm(x, { weight, bias }).y;
const layerNormOf =
  (size: Shape): Norm =>
  (x, weight, bias) =>
    layerNorm(x, size, { weight, bias });

const all = [
  ...[
    [4, 3],
    [65, 7],
    [2, 3, 5],
    [1, 2, 3, 4],
    [8, 6, 14, 14],
  ].flatMap((shape) =>
    cases(shape, [shape[1]!], batchNormY).map((c) => ({ ...c, name: `batchNorm ${c.name}` })),
  ),
  ...[
    [[5, 7], [7]],
    [[3, 65], [65]],
    [
      [2, 3, 4, 5],
      [4, 5],
    ],
    [[2, 130], [130]],
  ].flatMap(([shape, size]) =>
    cases(shape!, size!, layerNormOf(size!)).map((c) => ({ ...c, name: `layerNorm ${c.name}` })),
  ),
  ...(
    [
      [[2, 6, 5], 3],
      [[3, 4], 1],
      [[2, 4, 3, 3], 2],
      [[2, 4, 3, 3], 4],
    ] as const
  ).flatMap(([shape, groups]) =>
    cases(shape, [shape[1]], (x, weight, bias) => groupNorm(x, groups, { weight, bias })).map((c) => ({
      ...c,
      name: `groupNorm of ${groups} ${c.name}`,
    })),
  ),
  ...[
    [5, 7],
    [3, 65],
  ].flatMap((shape) =>
    cases(shape, [shape[1]!], (x, weight) => rmsNorm(x, shape[1]!, { weight }), 1).map((c) => ({
      ...c,
      name: `rmsNorm ${c.name}`,
    })),
  ),
];

// Gradients of many values sharing a statistic cancel: their error is that of their terms.
checkOp("normalisations", all, { atol: 1e-5 });
checkOp(
  "normalisations before relu, fused",
  all
    .filter((c) => c.name.includes("bias"))
    .map((c) => ({ ...c, build: (x: Tensor, w?: Tensor, b?: Tensor) => relu(c.build(x, w, b)) })),
  { atol: 1e-5, fuse: true, numeric: false },
);

checkOp(
  "differentiated twice",
  [
    ...cases([5, 3], [3], batchNormY),
    ...cases([3, 5], [5], layerNormOf([5])),
    ...cases([3, 5], [5], (x, weight) => rmsNorm(x, 5, { weight }), 1),
  ].map(({ name, inputs, build }, i) => ({
    name: `${i}: ${name}`,
    inputs: inputs.map((spec) => ({ ...spec, range: [0.5, 2] as const })),
    build: (...xs: Tensor[]) => {
      const y = (build as (...xs: Tensor[]) => Tensor)(...xs);
      return gradients(sum(mul(square(y), y)), xs);
    },
  })),
  // The second derivative of 1 / standard deviation is large.
  { atol: 1e-4, rtol: 1e-4 },
);

checkOp(
  "batchNorm with given statistics",
  (
    [
      [4, 3],
      [2, 3, 5, 7],
    ] as const
  ).map((shape) => ({
    name: `[${shape}]`,
    inputs: [{ shape }, { shape: [3] }, { shape: [3], range: [0.5, 2] }, { shape: [3] }, { shape: [3] }],
    build: (x, mean, variance, weight, bias) =>
      batchNormWith(x!, mean!, variance!, { weight: weight!, bias: bias! }),
  })),
);

describe("corners", () => {
  const evaluate = async (shape: Shape, values: readonly number[], apply: (x: Tensor) => Tensor) => {
    const gpu = await gpuBackend();
    const x = input(shape);
    const y = apply(x);
    const [dx] = gradients(sum(mul(y, x)), [x]);
    const program = await gpu.compile({ outputs: [y, dx!] });
    gpu.write(x, Float32Array.from(values));
    program.run();
    return [[...(await program.read(y))], [...(await program.read(dx!))]];
  };

  it("zero variance gives zeros, without NaN in the gradient", async () => {
    for (const norm of [batchNormY, layerNormOf([2])]) {
      const [y, dx] = await evaluate([2, 2], [3, 3, 3, 3], norm);
      expect(y).toEqual([0, 0, 0, 0]);
      expect(dx!.every(Number.isFinite)).toBe(true);
    }
  });

  it("NaN spreads over its statistic and no further", async () => {
    const [y] = await evaluate([2, 2], [Number.NaN, 1, 1, 3], (x) => layerNorm(x, 2));
    expect(y!.map(Number.isNaN)).toEqual([true, true, false, false]);
  });

  it("costs few dispatches", async () => {
    const gpu = await gpuBackend();
    const [x, weight, bias] = [input([16, 24, 14, 14]), input([24]), input([24])];
    const y = relu(batchNormY(x, weight, bias));
    const dy = input(y.shape);
    const forward = await gpu.compile({ outputs: [y] });
    const both = await gpu.compile({ outputs: [y, ...gradients(y, [x, weight, bias], dy)] });
    // Statistics, the rest with relu; back: two sums with the slope of relu, the rest.
    expect(forward.describe().dispatches).toBe(2);
    expect(both.describe().dispatches).toBe(2 + 2);
  });
});

it("refuses what it can't normalise", () => {
  const x = input([2, 6, 4]);
  expect(() => batchNorm(input([1, 3]))).toThrow(/batchNorm: training needs more than one value per channel/);
  expect(() => batchNorm(input([3]))).toThrow(/batchNorm: needs \[N, C, …\], got f32\[3\]/);
  expect(() => batchNorm(x, { weight: input([4]) })).toThrow(/batchNorm: weight and bias must hold 6 values/);
  expect(() => batchNorm(x, { eps: -1 })).toThrow(/batchNorm: eps must be at least 0, got -1/);
  expect(() => layerNorm(x, 6)).toThrow(/layerNorm: the last axes must be \[6\], got f32\[2, 6, 4\]/);
  expect(() => rmsNorm(x, [2, 6, 4, 1])).toThrow(/rmsNorm: the last axes must be/);
  expect(() => groupNorm(x, 4)).toThrow(/groupNorm: 4 groups must divide the channels/);
});
