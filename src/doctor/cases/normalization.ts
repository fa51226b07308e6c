/** Normalisations, their statistics and the running ones. */

import { trackedMomentsOp } from "../../fusion/running-stats.ts";
import { type Shape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { relu } from "../../ops/elementwise/activation.ts";
import { normSumsOp } from "../../ops/norm/norm-sums.ts";
import { batchNorm, batchNormWith, groupNorm, layerNorm, rmsNorm } from "../../ops/norm/normalize.ts";
import { updateRunningStats } from "../../ops/norm/running-stats.ts";
import { momentsOp } from "../../ops/reduce/moments.ts";
import { std } from "../../ops/reduce/reduce.ts";
import type { Case, Check } from "../check.ts";

const shapes: readonly (readonly [Shape, axes: readonly number[]])[] = [
  [[5, 3], [0]],
  [[33, 65], [1]],
  [
    [4, 3, 7, 9],
    [0, 2, 3],
  ],
];

type Norm = (x: Tensor, weight: Tensor, bias: Tensor) => Tensor;

/** `size`: what weight and bias hold. */
const normalising = (op: string, inputs: readonly (readonly [Shape, size: number])[], norm: Norm): Check => ({
  op,
  // Gradients are differences of sums.
  atol: 2e-5,
  cases: inputs.map(
    ([shape, size]): Case => ({
      name: `[${shape}]`,
      leaves: [{ shape }, { shape: [size], range: [0.5, 1.5] }, { shape: [size] }],
      build: (x, weight, bias) => norm(x!, weight!, bias!),
    }),
  ),
});

const images: readonly (readonly [Shape, number])[] = [
  [[7, 4], 4],
  [[2, 4, 5], 4],
  [[8, 4, 9, 9], 4],
];
const rows: readonly (readonly [Shape, number])[] = [
  [[3, 5], 5],
  [[2, 7, 130], 130],
];

export const normalizationChecks: readonly Check[] = [
  {
    op: "moments",
    atol: 1e-5,
    cases: shapes.flatMap(([shape, axes]) =>
      [true, false].map(
        (centred): Case => ({
          name: `[${shape}] over [${axes}]${centred ? "" : " about 0"}`,
          leaves: [{ shape, range: [0, 2] }],
          build: (x) => ({ outputs: momentsOp.apply([x!], { axes, eps: 1e-5, centred }) }),
        }),
      ),
    ),
  },
  {
    op: "normSums",
    atol: 2e-5,
    cases: shapes.map(
      ([shape, axes]): Case => ({
        name: `[${shape}] over [${axes}]`,
        leaves: [{ shape }, { shape }],
        build: (dy, x) => ({ outputs: normSumsOp.apply([dy!, x!], { axes }) }),
      }),
    ),
  },
  {
    op: "std",
    atol: 1e-5,
    cases: shapes.map(
      ([shape, axes]): Case => ({
        name: `[${shape}] over [${axes}]`,
        leaves: [{ shape }],
        build: (x) => std(x!, { axes }),
      }),
    ),
  },
  normalising("batchNorm", images, (x, weight, bias) => batchNorm(x, { weight, bias }).y),
  {
    ...normalising("batchNorm and relu, fused", images, (x, weight, bias) =>
      relu(batchNorm(x, { weight, bias }).y),
    ),
    fused: true,
    force: false,
  },
  normalising("batchNorm, evaluation", images, (x, weight, bias) =>
    batchNormWith(x, bias, weight, { weight, bias }),
  ),
  normalising("groupNorm", images, (x, weight, bias) => groupNorm(x, 2, { weight, bias })),
  normalising("layerNorm", rows, (x, weight, bias) => layerNorm(x, weight.size, { weight, bias })),
  {
    op: "rmsNorm",
    atol: 2e-5,
    cases: rows.map(
      ([shape, size]): Case => ({
        name: `[${shape}]`,
        leaves: [{ shape }, { shape: [size] }],
        build: (x, weight) => rmsNorm(x!, size, { weight: weight! }),
      }),
    ),
  },
  {
    op: "running statistics",
    cases: [1, 65].flatMap((C) =>
      [0.1, null].map(
        (momentum): Case => ({
          name: `${C} channels, momentum ${momentum}`,
          leaves: [
            { shape: [C], state: true },
            { shape: [C], state: true, range: [0.5, 2] },
            { shape: [], dtype: "i32", data: [3], state: true },
            { shape: [C], range: [0.5, 1] },
            { shape: [C], range: [0.5, 2] },
          ],
          build: (mean, variance, count, newMean, newVariance) => {
            const running = { mean: mean!, variance: variance!, count: count! };
            const batch = { mean: newMean!, variance: newVariance!, samples: 10 };
            return { updates: [updateRunningStats(running, batch, momentum)] };
          },
        }),
      ),
    ),
  },
  {
    op: "moments and running statistics",
    atol: 1e-5,
    gradients: false,
    cases: shapes.map(([shape, axes]): Case => {
      const C = sizeOf(shape.filter((_, axis) => !axes.includes(axis)));
      return {
        name: `[${shape}] over [${axes}]`,
        leaves: [
          { shape, range: [0, 2] },
          { shape: [C], state: true },
          { shape: [C], state: true, range: [0.5, 2] },
          { shape: [], dtype: "i32", data: [3], state: true },
        ],
        build: (...inputs) => {
          const of = { momentum: 0.1, samples: sizeOf(shape) / C };
          const node = trackedMomentsOp.node(inputs, { axes, eps: 1e-5, centred: true, ...of });
          return { outputs: node.outputs, updates: [node] };
        },
      };
    }),
  },
];
