/** Cases of the doctor for normalisations, the statistics that they need, and running statistics. */

import { trackedMomentsOp } from "../../fusion/running-stats.ts";
import { type Shape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { add } from "../../ops/elementwise/arithmetic.ts";
import { relu } from "../../ops/elementwise/relu-sigmoid-tanh.ts";
import { localResponseNorm } from "../../ops/norm/local-response-norm.ts";
import { normSumsOp } from "../../ops/norm/norm-sums.ts";
import {
  batchNorm,
  batchNormWith,
  groupNorm,
  instanceNorm,
  layerNorm,
  rmsNorm,
} from "../../ops/norm/normalize.ts";
import { updateRunningStats } from "../../ops/norm/running-stats.ts";
import { momentsOp } from "../../ops/reduce/moments.ts";
import { std } from "../../ops/reduce/reduce.ts";
import { type Build, type Case, type Check, each, type Leaf, leavesOf } from "../check.ts";

type Norm = (x: Tensor, weight: Tensor, bias: Tensor) => Tensor;

const normalising = (op: string, leaves: readonly string[], norm: Norm): Check => ({
  op,
  // Gradients are differences of sums.
  atol: 2e-5,
  cases: each(leaves, (x, weight, bias) => norm(x, weight, bias)).map((c) => {
    const [x, weight, ...bias] = leavesOf(c) as [Leaf, Leaf, Leaf?];
    // Positive: in evaluation it is also the variance.
    return { ...c, leaves: [x, { ...weight, range: [0.5, 1.5] }, ...bias] as readonly Leaf[] };
  }),
});

const ofImages = (op: string, norm: Norm) => normalising(op, ["7x4 4 4", "2x4x5 4 4", "8x4x9x9 4 4"], norm);
const ofRows = (op: string, norm: Norm) =>
  normalising(op, ["3x5 5 5", "2x7x130 130 130", "70x36 36 36"], norm);

const STATISTICS = [
  { shape: [5, 3], axes: [0] },
  { shape: [33, 65], axes: [1] },
  { shape: [4, 3, 7, 9], axes: [0, 2, 3] },
];

const statistics = (
  about: string,
  leaves: (shape: Shape, axes: readonly number[]) => readonly Leaf[],
  build: (axes: readonly number[], shape: Shape) => Build,
): Case[] =>
  STATISTICS.map(({ shape, axes }) => ({
    name: `[${shape}] over [${axes}]${about}`,
    leaves: leaves(shape, axes),
    build: build(axes, shape),
  }));

/** Running mean, variance and count of C channels. */
const running = (C: number): Leaf[] => [
  { shape: [C], state: true },
  { shape: [C], state: true, range: [0.5, 2] },
  { shape: [], dtype: "i32", data: [3], state: true },
];

const channelsOf = (shape: Shape, axes: readonly number[]) =>
  sizeOf(shape.filter((_, axis) => !axes.includes(axis)));

export const normChecks: readonly Check[] = [
  {
    op: "moments",
    atol: 1e-5,
    cases: statistics(
      "",
      (shape) => [{ shape, range: [0, 2] }],
      (axes) => (x) => ({ outputs: momentsOp.apply([x], { axes, eps: 1e-5 }) }),
    ),
  },
  {
    op: "normSums",
    atol: 2e-5,
    cases: statistics(
      "",
      (shape) => [{ shape }, { shape }],
      (axes) => (dy, x) => ({ outputs: normSumsOp.apply([dy, x], { axes }) }),
    ),
  },
  {
    op: "std",
    atol: 1e-5,
    cases: statistics(
      "",
      (shape) => [{ shape }],
      (axes) => (x) => std(x, { axes }),
    ),
  },
  ofImages("batchNorm", (x, weight, bias) => batchNorm(x, { weight, bias }).y),
  {
    ...ofImages("batchNorm and relu, fused", (x, weight, bias) => relu(batchNorm(x, { weight, bias }).y)),
    fused: true,
    force: false,
  },
  ofImages("batchNorm, evaluation", (x, weight, bias) => batchNormWith(x, bias, weight, { weight, bias })),
  ofImages("groupNorm", (x, weight, bias) => groupNorm(x, 2, { weight, bias })),
  normalising("instanceNorm", ["2x4x5 4 4", "8x4x9x9 4 4"], (x, weight, bias) =>
    instanceNorm(x, { weight, bias }),
  ),
  {
    op: "localResponseNorm",
    force: false,
    cases: each(["2x4x5", "3x7x9x9"], (x) => localResponseNorm(x, 3, { alpha: 1 })),
  },
  ofRows("layerNorm", (x, weight, bias) => layerNorm(x, weight.size, { weight, bias })),
  {
    ...ofRows("layerNorm of a sum, fused", (x, weight, bias) =>
      add(x, layerNorm(add(x, bias), weight.size, { weight, bias })),
    ),
    fused: true,
    force: false,
  },
  normalising("rmsNorm", ["3x5 5", "2x7x130 130"], (x, weight) => rmsNorm(x, weight.size, { weight })),
  {
    op: "running statistics",
    cases: [1, 65].flatMap((C) =>
      [0.1, null].map(
        (momentum): Case => ({
          name: `${C} channels, momentum ${momentum}`,
          leaves: [...running(C), { shape: [C], range: [0.5, 1] }, { shape: [C], range: [0.5, 2] }],
          build: (mean, variance, count, newMean, newVariance) => {
            const batch = { mean: newMean, variance: newVariance, samples: 10 };
            return { updates: [updateRunningStats({ mean, variance, count }, batch, momentum)] };
          },
        }),
      ),
    ),
  },
  {
    op: "moments and running statistics",
    atol: 1e-5,
    gradients: false,
    cases: statistics(
      "",
      (shape, axes) => [{ shape, range: [0, 2] }, ...running(channelsOf(shape, axes))],
      (axes, shape) => (x, mean, variance, count) => {
        const attrs = { axes, eps: 1e-5, momentum: 0.1 };
        const samples = sizeOf(shape) / channelsOf(shape, axes);
        const node = trackedMomentsOp.node([x, mean, variance, count], { ...attrs, samples });
        return { outputs: node.outputs, updates: [node] };
      },
    ),
  },
];
