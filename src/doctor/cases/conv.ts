/** Cases of the doctor for convolutions, alone and fused with what follows them, and pooling. */
import { gradients } from "../../autograd.ts";
import { convBlockBackwardOp, convBlockOp } from "../../fusion/conv-block.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { type Conv2dOptions, conv2d } from "../../ops/conv/conv2d.ts";
import { conv3d } from "../../ops/conv/conv3d.ts";
import { convTranspose1d } from "../../ops/conv/convolutions.ts";
import { square } from "../../ops/elementwise/arithmetic.ts";
import { relu } from "../../ops/elementwise/relu-sigmoid-tanh.ts";
import { avgPool2d, type MaxPool2dOptions, maxPool2d, maxPool2dWithIndices } from "../../ops/pool/pool.ts";
import { avgPool3d, maxPool3d } from "../../ops/pool/pool3d.ts";
import { sum } from "../../ops/reduce/sum.ts";
import { type Case, type Check, each, type Uses } from "../check.ts";

/** Leaves x, w and bias. */
const CONVOLUTIONS: readonly (readonly [leaves: string, options?: Conv2dOptions])[] = [
  ["2x4x11x9 6x2x3x2 6", { groups: 2, dilation: 2, padding: 1, stride: 2 }],
  ["2x3x7x5 2x3x3x3 2", { padding: 1, stride: 2 }],
  ["1x1x1x1 1x1x1x1 1"],
  ["2x1x28x28 6x1x5x5 6", { padding: 2 }],
  ["3x6x14x14 16x6x5x5 16"],
  ["17x2x6x6 33x2x3x3 33", { padding: 1 }],
];

const BLOCKS: readonly (readonly [leaves: string, pool: number, options?: Conv2dOptions])[] = [
  ["5x1x28x28 6x1x5x5 6", 2, { padding: 2 }],
  ["3x6x14x14 16x6x5x5 16", 2],
  ["1x3x7x5 2x3x3x3 2", 2, { padding: 1 }],
  ["2x2x9x12 5x2x3x3 5", 3, { padding: 1 }],
];

const POOLS: readonly (readonly [leaves: string, kernel: number, options?: MaxPool2dOptions])[] = [
  ["1x1x2x2", 2],
  ["3x6x28x28", 2],
  ["2x3x7x9", 2],
  ["2x2x9x8", 3, { stride: 2, padding: 1 }],
  ["1x2x11x10", 3, { stride: 1, dilation: 2 }],
];

type Pool = (x: Tensor, kernel: number, options?: MaxPool2dOptions) => Tensor | Uses;

const pooling = (op: string, apply: Pool): Check => ({
  op,
  cases: POOLS.map(
    ([leaves, kernel, options]): Case => ({
      name: `[${leaves}] by ${kernel}${options ? ` ${JSON.stringify(options)}` : ""}`,
      leaves,
      build: (x) => apply(x, kernel, options),
    }),
  ),
});

export const convChecks: readonly Check[] = [
  {
    op: "conv2d",
    forcedOnSoftware: 1,
    // Weight gradients add up to 3 * 196 products of numbers up to 1.
    atol: 3e-5,
    cases: CONVOLUTIONS.map(
      ([leaves, options]): Case => ({
        name: `${leaves}${options ? ` ${JSON.stringify(options)}` : ""}`,
        leaves,
        build: (x, w, b) => conv2d(x, w, b, options),
      }),
    ),
  },
  {
    op: "conv2d + relu + maxPool2d",
    fused: true,
    force: [convBlockOp, convBlockBackwardOp],
    forcedOnSoftware: 1,
    atol: 3e-5,
    cases: BLOCKS.map(
      ([leaves, pool, options]): Case => ({
        name: `${leaves}, pool ${pool}`,
        leaves,
        build: (x, w, b) => maxPool2d(relu(conv2d(x, w, b, options)), pool),
      }),
    ),
  },
  {
    op: "conv3d",
    force: false,
    atol: 3e-5,
    cases: each(["1x1x1x1x1 1x1x1x1x1 1", "2x4x5x7x6 6x2x3x2x3 6"], (x, w, b) =>
      conv3d(x, w, b, { groups: x.shape[1]! / w.shape[1]!, padding: "same", stride: 2 }),
    ),
  },
  {
    op: "convTranspose1d",
    force: false,
    cases: each(["2x3x17 3x4x4 4"], (x, w, b) => convTranspose1d(x, w, b, { stride: 3, padding: [2, 1] })),
  },
  {
    op: "maxPool3d and avgPool3d",
    force: false,
    cases: each(["2x3x5x7x6"], (x) => {
      const options = { stride: 2, padding: 1 };
      return { outputs: [maxPool3d(x, 3, options), avgPool3d(x, 3, options)] };
    }),
  },
  pooling("maxPool2d", (x, kernel, options) => {
    const { y, indices } = maxPool2dWithIndices(x, kernel, options);
    return { outputs: [y, indices] };
  }),
  pooling("avgPool2d", (x, kernel, { dilation: _, ...options } = {}) => avgPool2d(x, kernel, options)),
  pooling(
    "maxPool2d, twice derived",
    (x, kernel, options) => gradients(sum(square(maxPool2d(x, kernel, options))), [x])[0] as Tensor,
  ),
];
