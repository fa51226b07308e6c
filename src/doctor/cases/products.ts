/** Sums, matrix products and linear layers. */
import { relu, sigmoid, tanh } from "../../ops/activation.ts";
import { linear } from "../../ops/linear.ts";
import { matmul } from "../../ops/matmul.ts";
import { mean, sum } from "../../ops/sum.ts";
import type { Shape } from "../../tensor.ts";
import type { Case, Check } from "../check.ts";

const reductions: readonly (readonly [Shape, readonly number[]])[] = [
  [[1], [0]],
  [[7, 5], [1]],
  [[7, 5], [0]],
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

const reducing = (op: string, apply: typeof sum): Check => ({
  op,
  // Thousands of terms up to 1, added in float32.
  atol: 1e-5,
  cases: reductions.map(
    ([shape, axes]): Case => ({
      name: `[${shape}] over ${axes}`,
      leaves: [{ shape }],
      build: (x) => apply(x!, { axes }),
    }),
  ),
});

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

/** Every kernel is forced with relu only: the others differ in one expression. */
const twoLayers = (op: string, activation: typeof relu): Check => ({
  op,
  fused: true,
  ...(activation === relu ? {} : { force: false }),
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
  reducing("sum", sum),
  reducing("mean", mean),
  {
    op: "matmul",
    atol,
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
