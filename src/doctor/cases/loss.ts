/** Cases of the doctor for softmax and losses. */

import { constant, type Tensor } from "../../graph/tensor.ts";
import { add, mul } from "../../ops/elementwise/arithmetic.ts";
import { dice, sigmoidFocal } from "../../ops/loss/binary-mask-losses.ts";
import { type ClassLoss, focal, multiMargin } from "../../ops/loss/class-loss.ts";
import { crossEntropy, nll } from "../../ops/loss/cross-entropy.ts";
import { hinge, huber, klDiv, l1, smoothL1 } from "../../ops/loss/element-losses.ts";
import { gaussianNll, poissonNll } from "../../ops/loss/likelihood-losses.ts";
import { bce, bceWithLogits, mse } from "../../ops/loss/mean-losses.ts";
import { contrastive, tripletMargin } from "../../ops/loss/similarity-losses.ts";
import { logSoftmax, softmax } from "../../ops/reduce/softmax.ts";
import type { Case, Check } from "../check.ts";
import { alongAxis } from "./reduce.ts";

type Range = readonly [number, number];

/** Weights of N samples; the last ones only pad the batch. */
const weightsOf = (N: number) => Array.from({ length: N }, (_, n) => (n === 0 || n < N - 2 ? 1 : 0));

/** [samples, classes] */
const LOGITS = [[1, 2] as const, [7, 10] as const, [64, 10] as const, [67, 300] as const];

const classLoss = (
  op: string,
  apply: (logits: Tensor, labels: Tensor, weights: Tensor) => ClassLoss,
): Check => ({
  op,
  cases: LOGITS.map(
    ([N, C]): Case => ({
      name: `[${N}, ${C}]`,
      leaves: [
        { shape: [N, C], range: [-4, 4] },
        { shape: [N], dtype: "i32", data: Array.from({ length: N }, (_, n) => (7 * n + 1) % C) },
        { shape: [N], data: weightsOf(N), gradient: false },
      ],
      build(logits, labels, weights) {
        const { loss, correct, count } = apply(logits, labels, weights);
        return { outputs: [loss, correct, count] };
      },
    }),
  ),
});

type ElementLoss = (x: Tensor, target: Tensor, weights: Tensor) => Tensor;

const elementLoss = (op: string, apply: ElementLoss, range: Range): Check => ({
  op,
  cases: ([[1], [7, 3], [64, 1], [67, 130]] as const).map(
    (shape): Case => ({
      leaves: [
        { shape, range },
        { shape, range: [0, 1], gradient: false },
        { shape: [shape[0]], data: weightsOf(shape[0]), gradient: false },
      ],
      build: (x, target, weights) => apply(x, target, weights),
    }),
  ),
});

/** A loss of each element, not reduced. */
const unreduced = (op: string, apply: (x: Tensor, t: Tensor) => Tensor, range: Range): Check => ({
  op,
  atol: 4e-6,
  cases: [
    {
      leaves: [
        { shape: [7, 13], range },
        { shape: [7, 13], range: [0, 1], gradient: false },
      ],
      build: (x, target) => apply(x, target),
    },
  ],
});

export const lossChecks: readonly Check[] = [
  alongAxis("softmax", softmax),
  alongAxis("logSoftmax", logSoftmax),
  classLoss("crossEntropy", crossEntropy),
  classLoss("crossEntropy with options", (logits, labels, weights) =>
    crossEntropy(logits, labels, {
      weights,
      classWeights: constant(Float64Array.from({ length: logits.shape[1] as number }, (_, c) => 1 + (c % 3))),
      labelSmoothing: 0.1,
      ignoreIndex: 0,
    }),
  ),
  classLoss("nll", nll),
  classLoss("focal", (logits, labels, weights) => focal(logits, labels, { weights })),
  classLoss("multiMargin", (x, labels, weights) => multiMargin(x, labels, { weights })),
  elementLoss("l1", l1, [-1, 1]),
  elementLoss("smoothL1", (x, t, weights) => smoothL1(x, t, { weights, beta: 0.5 }), [-1, 1]),
  elementLoss("klDiv", (x, t, weights) => klDiv(x, t, { weights, logTarget: true }), [-4, 0]),
  elementLoss("hinge", (x, t, weights) => hinge(x, t, { weights }), [-2, 2]),
  elementLoss("bce, summed", (x, t, weights) => bce(x, t, { weights, reduction: "sum" }), [0.05, 0.95]),
  elementLoss("sigmoidFocal", (x, t, weights) => sigmoidFocal(x, t, { weights }), [-5, 5]),
  elementLoss("poissonNll", (x, t, weights) => poissonNll(x, t, { weights }), [-2, 2]),
  unreduced("dice", (x, t) => dice(x, t, { reduction: "none" }), [0, 1]),
  unreduced("gaussianNll", (x, t) => gaussianNll(x, t, add(t, 0.5), { reduction: "none" }), [-1, 1]),
  unreduced(
    "tripletMargin",
    (x, t) => tripletMargin(x, t, mul(t, -0.5), { margin: 4, reduction: "none" }),
    [-1, 1],
  ),
  unreduced("contrastive", (x, t) => contrastive(x, t, { reduction: "none" }), [-1, 1]),
  elementLoss("mse", mse, [-1, 1]),
  elementLoss("bce", bce, [0.05, 0.95]),
  elementLoss("bceWithLogits", bceWithLogits, [-5, 5]),
  unreduced("bce, not summed", (x, t) => bce(x, t, { reduction: "none" }), [0.05, 0.95]),
  unreduced("huber", (x, t) => huber(x, t, { delta: 0.5, reduction: "none" }), [-2, 2]),
];
