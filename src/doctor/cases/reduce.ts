/** Cases of the doctor for reductions, such as sums, extremes, products, running sums. */

import type { DType } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { add, mul } from "../../ops/elementwise/arithmetic.ts";
import { detach } from "../../ops/elementwise/detach.ts";
import { argmax, argmin } from "../../ops/reduce/argmax.ts";
import { cumsum } from "../../ops/reduce/cumsum.ts";
import { logSumExp, max, min, prod, variance } from "../../ops/reduce/reduce.ts";
import { argsort, sort, topK } from "../../ops/reduce/sort.ts";
import { mean, type ReduceOptions, sum } from "../../ops/reduce/sum.ts";
import { type Case, type Check, each } from "../check.ts";

const REDUCTIONS: readonly (readonly [leaves: string, axes: readonly number[]])[] = [
  ["1", [0]],
  ["7x5", [1]],
  ["3x4x5x6", [0, 2]],
  ["4099", [0]],
  ["33x65", [0, 1]],
];

type Reduce = (x: Tensor, options: ReduceOptions) => Tensor;

const reducing = (op: string, apply: Reduce, rows = REDUCTIONS): Check => ({
  op,
  // Thousands of terms up to 1, added in float32.
  atol: 1e-5,
  cases: rows.map(
    ([leaves, axes]): Case => ({
      name: `[${leaves}] over ${axes}`,
      leaves,
      build: (x) => apply(x, { axes }),
    }),
  ),
});

const LINES = [
  ["1", 0] as const,
  ["2x3x5", 1] as const,
  ["65x10", 1] as const,
  ["3x17x65", 1] as const,
  ["4x1030", -1] as const,
];

export const alongAxis = (op: string, apply: (x: Tensor, axis: number) => Tensor): Check => ({
  op,
  // Up to a thousand terms.
  atol: 2e-6,
  range: [-3, 3],
  cases: LINES.map(
    ([leaves, axis]): Case => ({
      name: `[${leaves}] along ${axis}`,
      leaves,
      build: (x) => apply(x, axis),
    }),
  ),
});

/** All reductions that take integers. */
const ofIntegers = (dtype: DType): Check => ({
  op: `reductions ${dtype}`,
  gradients: false,
  cases: [[7, 5] as const, [3, 401] as const].map(([rows, columns]) => ({
    name: `[${rows}, ${columns}]`,
    leaves: [
      {
        shape: [rows, columns],
        dtype,
        data: Array.from({ length: rows * columns }, (_, i) => ((i * 40503) % 65536) * 32767),
      },
    ],
    build: (x) => ({
      outputs: [sum, max, min, prod]
        .map((reduce) => reduce(x, { axes: 1 }))
        .concat([argmax(x), argmin(x, 0), argsort(x, { descending: true }), topK(x, 3).values]),
    }),
  })),
});

export const reduceChecks: readonly Check[] = [
  reducing("sum", sum),
  reducing("mean", mean),
  reducing("max", max),
  reducing("min", min),
  // Products of more numbers leave the range of float32.
  { ...reducing("prod", prod, REDUCTIONS.slice(0, 3)), range: [0.5, 1.5] },
  reducing("variance", variance),
  reducing("logSumExp", logSumExp),
  alongAxis("argmax", argmax),
  alongAxis("argmin", argmin),
  alongAxis("sort", (x, axis) => sort(x, { axis }).values),
  alongAxis("topK", (x, axis) => topK(x, 1, { axis }).values),
  ...(["i32", "u32"] as const).map(ofIntegers),
  { ...alongAxis("cumsum", cumsum), atol: 1e-4 },
  { op: "detach", cases: each(["13"], (x) => add(mul(x, detach(x)), x)) },
];
