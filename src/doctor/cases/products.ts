/** Matrix products and linear layers. */

import type { Shape } from "../../graph/spec.ts";
import { relu, sigmoid, tanh } from "../../ops/elementwise/activation.ts";
import { linear } from "../../ops/linalg/linear.ts";
import { matmul } from "../../ops/linalg/matmul.ts";
import type { Case, Check } from "../check.ts";

/** Few: a matrix product's kernels are the slowest to compile, and each shape is compiled by itself. */
const matrices: readonly (readonly [a: Shape, b: Shape, transposeA?: boolean, transposeB?: boolean])[] = [
  [
    [33, 17],
    [17, 65],
  ],
  [[17, 33], [17, 9], true],
  [[2, 3, 8, 4], [7, 4], false, true],
];

const layers: readonly (readonly [N: number, IN: number, OUT: number])[] = [
  [9, 33, 17],
  [64, 84, 10],
  [3, 130, 65],
];

const layerLeaves = (N: number, IN: number, OUT: number) => [
  { shape: [N, IN] },
  { shape: [OUT, IN] },
  { shape: [OUT] },
];

// Sums of up to 130 products of numbers up to 1.
const atol = 1e-5;

/** Kernels are forced with relu only, the others differing in one expression, and not where they are slow to compile. */
const twoLayers = (op: string, activation: typeof relu): Check => ({
  op,
  fused: true,
  ...(activation === relu ? { forcedOnSoftware: 0 } : { force: false }),
  // WGSL lets tanh be off by 1e-5.
  atol: activation === tanh ? 1e-4 : atol,
  cases: layers.slice(0, 1).map(
    ([N, IN, OUT]): Case => ({
      name: `[${N}, ${IN}] to ${OUT} to 3`,
      leaves: [...layerLeaves(N, IN, OUT), { shape: [3, OUT] }],
      build: (x, w, b, w2) => activation(linear(activation(linear(x!, w!, b)), w2!)),
    }),
  ),
});

export const productChecks: readonly Check[] = [
  {
    op: "matmul",
    atol,
    forcedOnSoftware: 1,
    cases: matrices.map(
      ([a, b, transposeA = false, transposeB = false]): Case => ({
        name: `[${a}]${transposeA ? " transposed" : ""} by [${b}]${transposeB ? " transposed" : ""}`,
        leaves: [{ shape: a }, { shape: b }],
        build: (x, y) => matmul(x!, y!, { transposeA, transposeB }),
      }),
    ),
  },
  {
    op: "linear",
    atol,
    forcedOnSoftware: 1,
    cases: [
      ...layers.map(
        ([N, IN, OUT]): Case => ({
          name: `[${N}, ${IN}] to ${OUT}`,
          leaves: layerLeaves(N, IN, OUT),
          build: (x, w, b) => linear(x!, w!, b),
        }),
      ),
      {
        name: "without bias",
        leaves: [{ shape: [9, 17] }, { shape: [5, 17] }],
        build: (x, w) => linear(x!, w!),
      },
    ],
  },
  twoLayers("linear + relu", relu),
  twoLayers("linear + sigmoid", sigmoid),
  twoLayers("linear + tanh", tanh),
];
