/** Convolutions, plain and fused with what follows them, and pooling. */
import { gradients } from "../../autograd.ts";
import { convBlockBackwardOp, convBlockOp } from "../../fusion/conv-block.ts";
import type { Shape } from "../../graph/spec.ts";
import { type Conv2dOptions, conv2d } from "../../ops/conv/conv2d.ts";
import { relu } from "../../ops/elementwise/activation.ts";
import { square } from "../../ops/elementwise/arithmetic.ts";
import { avgPool2d, type MaxPool2dOptions, maxPool2d, maxPool2dWithIndices } from "../../ops/pool/pool.ts";
import { sum } from "../../ops/reduce/sum.ts";
import type { Case, Check, Leaf } from "../check.ts";

const convolutions: readonly (readonly [x: Shape, w: Shape, options?: Conv2dOptions])[] = [
  [[2, 4, 11, 9], [6, 2, 3, 2], { groups: 2, dilation: 2, padding: 1, stride: 2 }],
  [[2, 3, 7, 5], [2, 3, 3, 3], { padding: 1, stride: 2 }],
  [
    [1, 1, 1, 1],
    [1, 1, 1, 1],
  ],
  [[2, 1, 28, 28], [6, 1, 5, 5], { padding: 2 }],
  [
    [3, 6, 14, 14],
    [16, 6, 5, 5],
  ],
  [[17, 2, 6, 6], [33, 2, 3, 3], { padding: 1 }],
];

const convolutionLeaves = (x: Shape, w: Shape): Leaf[] => [
  { shape: x },
  { shape: w },
  { shape: [w[0] ?? 1] },
];

const blocks: readonly (readonly [x: Shape, w: Shape, pool: number, options?: Conv2dOptions])[] = [
  [[5, 1, 28, 28], [6, 1, 5, 5], 2, { padding: 2 }],
  [[3, 6, 14, 14], [16, 6, 5, 5], 2],
  [[1, 3, 7, 5], [2, 3, 3, 3], 2, { padding: 1 }],
  [[2, 2, 9, 12], [5, 2, 3, 3], 3, { padding: 1 }],
];

const windows: readonly (readonly [x: Shape, kernel: number, options?: MaxPool2dOptions])[] = [
  [[1, 1, 2, 2], 2],
  [[3, 6, 28, 28], 2],
  [[2, 3, 7, 9], 2],
  [[2, 2, 9, 8], 3, { stride: 2, padding: 1 }],
  [[1, 2, 11, 10], 3, { stride: 1, dilation: 2 }],
];

const pooled = (x: Shape, kernel: number, options?: MaxPool2dOptions) =>
  `[${x}] by ${kernel}${options ? ` ${JSON.stringify(options)}` : ""}`;

export const convolutionChecks: readonly Check[] = [
  {
    op: "conv2d",
    forcedOnSoftware: 1,
    // Weight gradients add up to 3 * 196 products of numbers up to 1.
    atol: 3e-5,
    cases: convolutions.map(
      ([x, w, options]): Case => ({
        name: `[${x}] by [${w}]${options ? ` ${JSON.stringify(options)}` : ""}`,
        leaves: convolutionLeaves(x, w),
        build: (x, w, b) => conv2d(x!, w!, b, options),
      }),
    ),
  },
  {
    op: "conv2d + relu + maxPool2d",
    fused: true,
    force: [convBlockOp, convBlockBackwardOp],
    forcedOnSoftware: 1,
    atol: 3e-5,
    cases: blocks.map(
      ([x, w, pool, options]): Case => ({
        name: `[${x}] by [${w}], pool ${pool}`,
        leaves: convolutionLeaves(x, w),
        build: (x, w, b) => maxPool2d(relu(conv2d(x!, w!, b, options)), pool),
      }),
    ),
  },
  {
    op: "maxPool2d",
    cases: windows.map(
      ([shape, kernel, options]): Case => ({
        name: pooled(shape, kernel, options),
        leaves: [{ shape }],
        build(x) {
          const { y, indices } = maxPool2dWithIndices(x!, kernel, options);
          return { outputs: [y, indices] };
        },
      }),
    ),
  },
  {
    op: "avgPool2d",
    cases: windows.map(
      ([shape, kernel, { dilation: _, ...options } = {}]): Case => ({
        name: pooled(shape, kernel, options),
        leaves: [{ shape }],
        build: (x) => avgPool2d(x!, kernel, options),
      }),
    ),
  },
  {
    op: "maxPool2d, twice derived",
    cases: windows.map(
      ([shape, kernel, options]): Case => ({
        name: pooled(shape, kernel, options),
        leaves: [{ shape }],
        build: (x) => gradients(sum(square(maxPool2d(x!, kernel, options))), [x!])[0]!,
      }),
    ),
  },
];
