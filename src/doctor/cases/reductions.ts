/** What makes few numbers of many: sums, extremes, products, running sums. */

import type { Shape } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { add, mul } from "../../ops/elementwise/arithmetic.ts";
import { detach } from "../../ops/elementwise/detach.ts";
import { argmax, argmin } from "../../ops/reduce/argmax.ts";
import { cumsum } from "../../ops/reduce/cumsum.ts";
import { logSumExp, max, min, prod, variance } from "../../ops/reduce/reduce.ts";
import { mean, type ReduceOptions, sum } from "../../ops/reduce/sum.ts";
import type { Case, Check } from "../check.ts";

const reductions: readonly (readonly [Shape, axes: readonly number[]])[] = [
  [[1], [0]],
  [[7, 5], [1]],
  [
    [3, 4, 5, 6],
    [0, 2],
  ],
  [[4099], [0]],
  [
    [33, 65],
    [0, 1],
  ],
];

type Reduce = (x: Tensor, options: ReduceOptions) => Tensor;

/** `longest`: the most elements that go into one number. */
const reducing = (
  op: string,
  apply: Reduce,
  range: readonly [number, number] = [-1, 1],
  longest = 5000,
): Check => ({
  op,
  // Thousands of terms up to 1, added in float32.
  atol: 1e-5,
  cases: reductions
    .filter(([shape, axes]) => axes.reduce((n, axis) => n * (shape[axis] ?? 1), 1) <= longest)
    .map(
      ([shape, axes]): Case => ({
        name: `[${shape}] over ${axes}`,
        leaves: [{ shape, range }],
        build: (x) => apply(x!, { axes }),
      }),
    ),
});

const lines: readonly (readonly [Shape, axis: number])[] = [
  [[1], 0],
  [[2, 3, 5], 1],
  [[65, 10], 1],
  [[3, 17, 65], 1],
  [[4, 1030], -1],
];

/** Checks of an op along one axis. */
export const alongLines = (op: string, apply: (x: Tensor, axis: number) => Tensor): Check => ({
  op,
  // Up to a thousand terms.
  atol: 2e-6,
  cases: lines.map(
    ([shape, axis]): Case => ({
      name: `[${shape}] along ${axis}`,
      leaves: [{ shape, range: [-3, 3] }],
      build: (x) => apply(x!, axis),
    }),
  ),
});

export const reductionChecks: readonly Check[] = [
  reducing("sum", sum),
  reducing("mean", mean),
  reducing("max", max),
  reducing("min", min),
  reducing("prod", prod, [0.5, 1.5], 30),
  reducing("variance", variance, [-1, 1]),
  reducing("logSumExp", logSumExp),
  alongLines("argmax", argmax),
  alongLines("argmin", argmin),
  { ...alongLines("cumsum", cumsum), atol: 1e-4 },
  {
    op: "detach",
    cases: [{ name: "[13]", leaves: [{ shape: [13] }], build: (x) => add(mul(x!, detach(x!)), x!) }],
  },
];
