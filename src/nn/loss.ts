/**
 * Losses for the trainer: a scalar to minimise, averaged over the samples of a batch, and metrics. A sample that only pads
 * the last batch has weight 0.
 */

import { constant, type Tensor } from "../graph/tensor.ts";
import { mul } from "../ops/elementwise/arithmetic.ts";
import { eq, gt } from "../ops/elementwise/compare.ts";
import {
  type DiceOptions,
  dice as diceOf,
  type SigmoidFocalOptions,
  sigmoidFocal as sigmoidFocalOf,
} from "../ops/loss/binary-mask-losses.ts";
import {
  type ClassLoss,
  focal as focalOf,
  type MultiMarginOptions,
  multiMargin as multiMarginOf,
} from "../ops/loss/class-loss.ts";
import { IGNORED } from "../ops/loss/class-targets.ts";
import { crossEntropy as crossEntropyOf, nll as nllOf } from "../ops/loss/cross-entropy.ts";
import {
  hinge as hingeOf,
  huber as huberOf,
  klDiv as klDivOf,
  l1 as l1Of,
  smoothL1 as smoothL1Of,
} from "../ops/loss/element-losses.ts";
import { type PoissonNllOptions, poissonNll as poissonNllOf } from "../ops/loss/likelihood-losses.ts";
import { type LossOptions, perSample } from "../ops/loss/loss-reduction.ts";
import { bce as bceOf, bceWithLogits as bceWithLogitsOf, mse as mseOf } from "../ops/loss/mean-losses.ts";
import { sum } from "../ops/reduce/sum.ts";
import { ValueError } from "../validation/errors.ts";
import { expectValue } from "../validation/expect.ts";
import { checkOptions, noOptions, type OptionKinds } from "../validation/options.ts";

/** The result of a loss for a batch. Every tensor is a scalar of shape []. */
export interface LossResult {
  /** Weighted mean over the samples. */
  readonly loss: Tensor;
  /** Sum of the samples' weights. */
  readonly count: Tensor;
  /** The divisor of the mean where that is not `count`, as with class weights. Means over batches are weighted by it. */
  readonly weight?: Tensor;
  /** Sums over samples by name. `correct` becomes accuracy. */
  readonly sums: Readonly<Record<string, Tensor>>;
}

export interface Loss {
  /** Whether targets are class numbers (i32 [N]); otherwise they are values of the output's shape. */
  readonly classes: boolean;
  /** Whether outputs are [N, C, …] with one of C per class: the trainer refuses fewer than the data set has. */
  readonly outputPerClass?: boolean;
  /** Axis of the classes in outputs, where it is not 1. */
  readonly classAxis?: -1;
  /** Label of samples that are ignored; it may be outside the classes. */
  readonly ignoreIndex?: number;
  /** For losses whose targets are 0 or 1: outputs above this predict 1. */
  readonly threshold?: number;
  /** Builds the loss of a batch: output [N, …], target, weights [N]. */
  build(output: Tensor, target: Tensor, weights: Tensor): LossResult;
  /** The same loss with other class weights or label smoothing, for losses that have them. */
  reweighted?(options: Pick<CrossEntropyLossOptions, "classWeights" | "labelSmoothing">): Loss;
}

export interface CrossEntropyLossOptions {
  /** One number per class, not all 0. Means within and over batches are weighted by the label's class weight. */
  readonly classWeights?: readonly number[];
  /** Label of samples that are ignored; it may be outside the classes. Default -100. */
  readonly ignoreIndex?: number;
  /** Share of the target distribution that is spread evenly over all classes, 0 to 1. Default 0. */
  readonly labelSmoothing?: number;
  /** Whether targets are probabilities of the logits' shape and not class numbers. Default false. */
  readonly probabilities?: boolean;
  /** Axis of the classes: 1 (default, as in PyTorch) or -1 for logits [N, …, C], as language models give them. */
  readonly classAxis?: 1 | -1;
}

const NLL = { classWeights: "array", ignoreIndex: "number" } as const;
const CROSS_ENTROPY = {
  ...NLL,
  labelSmoothing: "number",
  probabilities: "boolean",
} as const satisfies OptionKinds<Omit<CrossEntropyLossOptions, "classAxis">>;

/**
 * Cross-entropy of softmax(logits [N, C] or [N, C, …]) and class numbers [N] or [N, …]; with `classAxis: -1` of logits
 * [N, …, C]. Reports `correct`.
 */
export function crossEntropy(options: CrossEntropyLossOptions = {}): Loss {
  const {
    classWeights,
    probabilities = false,
    ...rest
  } = checkOptions("nn.crossEntropy", options, { ...CROSS_ENTROPY, classAxis: "number" });
  const { classAxis = 1 } = rest;
  expectValue(
    classAxis === 1 || classAxis === -1,
    `nn.crossEntropy: classAxis must be 1 or -1, got ${classAxis}`,
  );
  const given = { ...rest, ...classWeightsOf(classWeights) };
  const loss = classLoss(!probabilities, (output, target, weights) =>
    crossEntropyOf(output, target, { ...given, weights }),
  );
  const axis = classAxis === -1 ? ({ classAxis: -1 } as const) : {};
  return {
    ...loss,
    ...axis,
    ...ignoring(rest),
    reweighted: (other) => crossEntropy({ ...options, ...other }),
  };
}

export interface FocalLossOptions extends Omit<CrossEntropyLossOptions, "classAxis"> {
  /** How much samples count less that are predicted well. Default 2. */
  readonly gamma?: number;
}

/** Cross-entropy times (1 - p)^gamma, p being the probability of the label: see ops.focal. Reports `correct`. */
export function focal(options: FocalLossOptions = {}): Loss {
  const kinds = { ...CROSS_ENTROPY, gamma: "number" } as const;
  const { classWeights, probabilities = false, ...rest } = checkOptions("nn.focal", options, kinds);
  const given = { ...rest, ...classWeightsOf(classWeights) };
  const loss = classLoss(!probabilities, (output, target, weights) =>
    focalOf(output, target, { ...given, weights }),
  );
  return { ...loss, ...ignoring(rest), reweighted: (other) => focal({ ...options, ...other }) };
}

/** Negative log-likelihood of log-probabilities, as logSoftmax gives them; shapes as `crossEntropy`. Reports `correct`. */
export function nll(options: Pick<CrossEntropyLossOptions, "classWeights" | "ignoreIndex"> = {}): Loss {
  const { classWeights, ...rest } = checkOptions("nn.nll", options, NLL);
  const given = { ...rest, ...classWeightsOf(classWeights) };
  const loss = classLoss(true, (output, target, weights) => nllOf(output, target, { ...given, weights }));
  return {
    ...loss,
    ...ignoring(rest),
    reweighted({ labelSmoothing = 0, ...other }) {
      if (labelSmoothing === 0) return nll({ ...options, ...other });
      throw new ValueError("nll: labels can be smoothed with cross-entropy of logits only");
    },
  };
}

/** Multi-class margin loss of scores [N, C] and class numbers [N]. Reports `correct`. */
export function multiMargin(options: Omit<MultiMarginOptions, "weights" | "reduction"> = {}): Loss {
  checkOptions("nn.multiMargin", options, { margin: "number", p: "any" });
  return classLoss(true, (output, target, weights) => multiMarginOf(output, target, { ...options, weights }));
}

/** Mean squared error of output and target, both [N, …]. */
export function mse(...none: readonly never[]): Loss {
  noOptions("nn.mse", none);
  return valueLoss(mseOf);
}

/** Mean absolute error of output and target, both [N, …]. */
export function l1(...none: readonly never[]): Loss {
  noOptions("nn.l1", none);
  return valueLoss(l1Of);
}

/** Half the squared error up to `delta` (default 1) and its tangent beyond, averaged as in `mse`. */
export function huber(options: { readonly delta?: number } = {}): Loss {
  const { delta = 1 } = checkOptions("nn.huber", options, { delta: "number" });
  return valueLoss((output, target, weights) => huberOf(output, target, { delta, weights }));
}

/** `huber` with threshold `beta` (default 1), divided by `beta`. */
export function smoothL1(options: { readonly beta?: number } = {}): Loss {
  const { beta = 1 } = checkOptions("nn.smoothL1", options, { beta: "number" });
  return valueLoss((output, target, weights) => smoothL1Of(output, target, { beta, weights }));
}

/** Kullback-Leibler divergence of log-probabilities from target probabilities, averaged over samples ("batchmean" of PyTorch). */
export function klDiv(options: { readonly logTarget?: boolean } = {}): Loss {
  const { logTarget = false } = checkOptions("nn.klDiv", options, { logTarget: "boolean" });
  return valueLoss((output, target, weights) =>
    klDivOf(output, target, { logTarget, weights, reduction: "batchMean" }),
  );
}

/** max(0, margin - target · output) for targets of -1 and 1, averaged as in `mse`. */
export function hinge(options: { readonly margin?: number } = {}): Loss {
  const { margin = 1 } = checkOptions("nn.hinge", options, { margin: "number" });
  return valueLoss((output, target, weights) => hingeOf(output, target, { margin, weights }));
}

/**
 * Binary cross-entropy of probabilities and targets in [0, 1], both [N, …]. Reports `correct`: outputs on the target's side
 * of 1/2. Prefer `bceWithLogits`, which is numerically more stable.
 */
export function bce(...none: readonly never[]): Loss {
  noOptions("nn.bce", none);
  return valueLoss(bceOf, 0.5);
}

/**
 * Binary cross-entropy of sigmoid(logits) and targets in [0, 1], both [N, …]. Reports `correct`. `posWeight`: weight of the
 * positive part, a number or one per column.
 */
export function bceWithLogits(options: { readonly posWeight?: number | readonly number[] } = {}): Loss {
  const { posWeight } = checkOptions("nn.bceWithLogits", options, { posWeight: "numbers" });
  if (posWeight === undefined) return valueLoss(bceWithLogitsOf, 0);
  const values = typeof posWeight === "number" ? [posWeight] : posWeight;
  expectValue(values.every(Number.isFinite), `nn.bceWithLogits: posWeight must be finite, got ${values}`);
  return valueLoss(
    (output, target, weights) => bceWithLogitsOf(output, target, { weights, posWeight: constant(values) }),
    0,
  );
}

/** Focal loss of logits and targets in [0, 1], both [N, …]: see ops.sigmoidFocal. Reports `correct`. */
export function sigmoidFocal(options: Omit<SigmoidFocalOptions, keyof LossOptions> = {}): Loss {
  checkOptions("nn.sigmoidFocal", options, { alpha: "number", gamma: "number" });
  return valueLoss((output, target, weights) => sigmoidFocalOf(output, target, { ...options, weights }), 0);
}

/** Dice loss of probabilities and masks, both [N, C, …]: see ops.dice. Reports `correct`: outputs on the target's side of 1/2. */
export function dice(options: Omit<DiceOptions, keyof LossOptions> = {}): Loss {
  checkOptions("nn.dice", options, { smooth: "number", squared: "boolean" });
  return valueLoss((output, target, weights) => diceOf(output, target, { ...options, weights }), 0.5);
}

/** Negative log-likelihood of counts, both [N, …]; outputs are logarithms of rates by default: see ops.poissonNll. */
export function poissonNll(options: Omit<PoissonNllOptions, keyof LossOptions> = {}): Loss {
  checkOptions("nn.poissonNll", options, { logInput: "boolean", full: "boolean", eps: "number" });
  return valueLoss((output, target, weights) => poissonNllOf(output, target, { ...options, weights }));
}

const ignoring = ({ ignoreIndex = IGNORED }: { readonly ignoreIndex?: number }) => ({ ignoreIndex });

function classWeightsOf(values: readonly number[] | undefined): { classWeights?: Tensor } {
  const bad = values?.findIndex((value) => !Number.isFinite(value)) ?? -1;
  expectValue(bad < 0, `nn: classWeights must be finite, got ${values?.[bad]} for class ${bad}`);
  expectValue(
    values?.some((value) => value !== 0) ?? true,
    "nn: classWeights are all 0: nothing would be trained; give at least one class a weight",
  );
  return values === undefined ? {} : { classWeights: constant(values) };
}

function classLoss(
  classes: boolean,
  op: (output: Tensor, target: Tensor, weights: Tensor) => ClassLoss,
): Loss {
  return {
    classes,
    outputPerClass: true,
    build(output, target, weights) {
      const { loss, correct, count, weight } = op(output, target, weights);
      return { loss, count, ...(weight && { weight }), sums: { correct } };
    },
  };
}

/** `threshold`: see Loss. */
function valueLoss(
  op: (output: Tensor, target: Tensor, weights: Tensor) => Tensor,
  threshold?: number,
): Loss {
  return {
    classes: false,
    ...(threshold === undefined ? {} : { threshold }),
    build: (output, target, weights) => ({
      loss: op(output, target, weights),
      count: sum(weights),
      sums: threshold === undefined ? {} : { correct: countCorrect(output, target, weights, threshold) },
    }),
  };
}

/** Sum over samples of the share of their values that lie on the target's side of the threshold. */
function countCorrect(output: Tensor, target: Tensor, weights: Tensor, threshold: number): Tensor {
  const right = eq(gt(output, threshold), gt(target, 0.5));
  const share = weights.size / output.size;
  return sum(mul(mul(right, perSample("bce", weights, output.shape)), share));
}
