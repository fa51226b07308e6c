/**
 * Losses over classes with all of PyTorch's options: class weights, label smoothing, probabilities as targets, an ignored
 * label, more than two axes, other reductions; and the multi-class margin. Composed of ops; the plain mean over labelled
 * rows is one dispatch in cross-entropy.ts.
 */

import { expectTensor, shapeError } from "../../graph/op.ts";
import { formatShape, sameShape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { ValueError } from "../../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import { add, mul, neg, sub } from "../elementwise/arithmetic.ts";
import { eq, ne, where } from "../elementwise/compare.ts";
import { clamp, expm1, pow } from "../elementwise/math.ts";
import { relu } from "../elementwise/relu-sigmoid-tanh.ts";
import { logSoftmax } from "../reduce/softmax.ts";
import { expand, mean, sum } from "../reduce/sum.ts";
import { reshape } from "../shape/reshape.ts";
import { permute } from "../shape/transpose.ts";
import { classTargets } from "./class-targets.ts";
import { checkReduction, LOSS, type LossOptions, weightedMean } from "./loss-reduction.ts";

export interface NllOptions extends LossOptions {
  /** f32 [C]: weight of each class; the mean divides by the weights of the labels. Default all 1. */
  readonly classWeights?: Tensor;
  /** Rows with this label do not count. Default -100. */
  readonly ignoreIndex?: number;
}

export interface CrossEntropyOptions extends NllOptions {
  /** Share of the target that is spread evenly over all classes, from 0 to 1. Default 0. */
  readonly labelSmoothing?: number;
  /** Axis of the classes: 1 (default, as in PyTorch) or -1, as language models give logits. */
  readonly classAxis?: 1 | -1;
}

export interface FocalOptions extends Omit<CrossEntropyOptions, "classAxis"> {
  /** How much rows count less that are predicted well: power of 1 - p, at least 0. Default 2. */
  readonly gamma?: number;
}

export const NLL = {
  ...LOSS,
  classWeights: "tensor",
  ignoreIndex: "number",
} as const satisfies OptionKinds<NllOptions>;

export const CROSS_ENTROPY = {
  ...NLL,
  labelSmoothing: "number",
  classAxis: "number",
} as const satisfies OptionKinds<CrossEntropyOptions>;

const { classAxis: _, ...FOCAL_BASE } = CROSS_ENTROPY;
const FOCAL = { ...FOCAL_BASE, gamma: "number" } as const satisfies OptionKinds<FocalOptions>;

/** Scalars of shape []; the loss has the targets' shape with reduction `none`. */
export interface ClassLoss {
  /** Weighted mean over the rows; 0 when all weights are 0. */
  readonly loss: Tensor;
  /** Sum of the weights of the rows whose largest entry (the first of equal ones) is at the label. */
  readonly correct: Tensor;
  /** Sum of the weights of the rows that count, without class weights. */
  readonly count: Tensor;
  /** With class weights: what the weighted mean is divided by, the sum of each row's weight times the weight of its class. */
  readonly weight?: Tensor;
}

/** Throws ValueError unless `ignoreIndex` may be a label. */
export function checkIgnoreIndex(who: string, { ignoreIndex = 0 }: NllOptions): void {
  if (ignoreIndex !== (ignoreIndex | 0))
    throw new ValueError(`${who}: ignoreIndex must be a whole number of 32 bits, got ${ignoreIndex}`);
}

/** True when `options` ask for no more than sample weights and an ignored label. */
export function isPlain(logits: Tensor, target: Tensor, options: CrossEntropyOptions): boolean {
  const { classWeights, labelSmoothing = 0, reduction = "mean" } = options;
  const given = classWeights !== undefined || labelSmoothing !== 0;
  return !given && reduction === "mean" && logits.rank === 2 && target.dtype === "i32";
}

/** Cross-entropy or, of log-probabilities, negative log-likelihood, with any options. */
export function generalClassLoss(
  who: string,
  logits: Tensor,
  target: Tensor,
  options: CrossEntropyOptions,
  logProbs: boolean,
  gamma = 0,
): ClassLoss {
  const { labelSmoothing = 0, reduction = "mean" } = options;
  checkReduction(who, reduction);
  checkIgnoreIndex(who, options);
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new ValueError(`${who}: labelSmoothing must be in [0, 1], got ${labelSmoothing}`);
  }
  const flat = rowsOf(who, logits, target, options.weights);
  const { classWeights } = options;
  const C = logits.shape[1] as number;
  if (classWeights !== undefined && !sameShape(classWeights.shape, [C])) {
    throw shapeError(who, `classWeights must have one value for each of the ${C} classes of the logits`, [
      logits,
      classWeights,
    ]);
  }
  const { weights: _, ...others } = options;
  const { targets, counts, norms, hits } = classTargets(flat.logits, flat.target, {
    ...others,
    ...flat.weights,
  });
  // Rows that do not count are replaced by 0 before anything is computed, so that NaN in them does not spread.
  const used = where(ne(reshape(counts, [flat.rows, 1]), 0), flat.logits, 0);
  const logs = logProbs ? used : logSoftmax(used);
  // A target of 0 contributes nothing even where the log-probability is -Infinity: 0 · ∞ would be NaN.
  const isTarget = ne(targets, 0);
  const terms = where(
    isTarget,
    mul(targets, gamma === 0 ? logs : focused(where(isTarget, logs, 0), gamma)),
    0,
  );
  const losses = mul(neg(sum(terms, { axes: 1 })), counts);
  const weight = sum(norms);
  return {
    loss: reduceRows(losses, weight, reduction, flat.outer),
    correct: sum(hits),
    count: sum(counts),
    ...(classWeights === undefined ? {} : { weight }),
  };
}

/** (1 - p)^gamma log p. */
function focused(logs: Tensor, gamma: number): Tensor {
  return mul(focus(neg(expm1(logs)), gamma), logs);
}

/** share^gamma of a share in [0, 1], limited from below: with gamma < 1 the derivative at 0 would be infinite and make NaN. */
export function focus(share: Tensor, gamma: number): Tensor {
  return pow(clamp(share, 1e-30), gamma);
}

/** Throws ValueError unless gamma may be a power of `focus`. */
export function checkGamma(who: string, gamma: number): void {
  if (!(gamma >= 0 && Number.isFinite(gamma)))
    throw new ValueError(`${who}: gamma must be at least 0, got ${gamma}`);
}

/**
 * Cross-entropy in which each row's loss is multiplied by (1 - p)^gamma, p being the probability of its class (Lin et al.,
 * 2017): arguments, options and reductions as `crossEntropy`, which it is with gamma = 0. The paper's alpha are `classWeights`.
 * `sigmoidFocal` is the form for independent classes.
 */
export function focal(logits: Tensor, target: Tensor, options: FocalOptions = {}): ClassLoss {
  expectTensor("focal", "logits", logits);
  expectTensor("focal", "target", target);
  const { gamma = 2, ...others } = checkOptions("focal", options, FOCAL);
  checkGamma("focal", gamma);
  return generalClassLoss("focal", logits, target, others, false, gamma);
}

export interface MultiMarginOptions extends LossOptions {
  /** Default 1. */
  readonly margin?: number;
  /** Power of the distance, 1 or 2. Default 1. */
  readonly p?: 1 | 2;
}

/**
 * Mean over classes c other than the label of max(0, margin - x[label] + x[c])ᵖ, the sum divided by C as in PyTorch's
 * multi_margin_loss. x f32 [N, C], labels i32 [N]. Throws ShapeError on other shapes, ValueError on another p.
 */
export function multiMargin(x: Tensor, labels: Tensor, options: MultiMarginOptions = {}): ClassLoss {
  expectTensor("multiMargin", "x", x);
  expectTensor("multiMargin", "labels", labels);
  const kinds = { ...LOSS, margin: "number", p: "any" } as const;
  const { margin = 1, p = 1, reduction = "mean", weights } = checkOptions("multiMargin", options, kinds);
  checkReduction("multiMargin", reduction);
  if (p !== 1 && p !== 2) throw new ValueError(`multiMargin: p must be 1 or 2, got ${p}`);
  if (labels.dtype !== "i32") throw shapeError("multiMargin", "labels must be i32", [labels]);
  const { targets, counts, norms, hits } = classTargets(x, labels, weights === undefined ? {} : { weights });
  const [N] = x.shape as [number];
  const used = where(ne(reshape(counts, [N, 1]), 0), x, 0);
  // `where`, not a product with 0: 0 times an infinite score of another class is NaN.
  const own = sum(where(ne(targets, 0), mul(used, targets), 0), { axes: 1, keepDims: true });
  const gap = relu(add(sub(used, own), margin));
  const items = where(eq(targets, 1), 0, mul(p === 2 ? mul(gap, gap) : gap, sub(1, targets)));
  const losses = mul(mean(items, { axes: 1 }), counts);
  return { loss: reduceRows(losses, sum(norms), reduction, [N]), correct: sum(hits), count: sum(counts) };
}

function reduceRows(
  losses: Tensor,
  weight: Tensor,
  reduction: NonNullable<LossOptions["reduction"]>,
  outer: readonly number[],
): Tensor {
  if (reduction === "none") return reshape(losses, outer);
  return reduction === "sum" ? sum(losses) : weightedMean(losses, weight);
}

/** Logits [N, C, …] as rows [M, C], with targets and weights to match; `outer` is the shape of the rows. */
function rowsOf(who: string, logits: Tensor, target: Tensor, weights: Tensor | undefined) {
  if (logits.rank < 2) throw shapeError(who, "logits must be [N, C] or [N, C, …]", [logits]);
  const [N, C, ...rest] = logits.shape as readonly [number, number, ...number[]];
  const outer = [N, ...rest];
  const expected = target.dtype === "f32" ? logits.shape : outer;
  if (!sameShape(target.shape, expected)) {
    const kind = target.dtype === "f32" ? "probabilities" : "labels";
    throw shapeError(who, `${kind} must have shape ${formatShape(expected)}`, [logits, target]);
  }
  const perRow = weights !== undefined && sameShape(weights.shape, outer);
  if (weights !== undefined && !perRow && !sameShape(weights.shape, [N])) {
    const each = rest.length === 0 ? "" : `, or have the labels' shape ${formatShape(outer)}`;
    throw shapeError(who, `weights must have one value for each of ${N} samples${each}`, [weights]);
  }
  const rows = sizeOf(outer);
  const apart = (t: Tensor) =>
    rest.length === 0 ? t : reshape(permute(t, [0, ...rest.map((_, i) => i + 2), 1]), [rows, C]);
  const spreadOut = (w: Tensor) =>
    perRow ? reshape(w, [rows]) : reshape(expand(reshape(w, [N, 1]), [N, rows / N]), [rows]);
  return {
    outer,
    rows,
    logits: apart(logits),
    target: target.dtype === "f32" ? apart(target) : reshape(target, [rows]),
    weights: weights === undefined ? {} : { weights: spreadOut(weights) },
  };
}
