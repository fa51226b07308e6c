/**
 * Losses as the trainer wants them: one number to minimise, averaged over the samples that count, and metrics beside
 * it. A sample's weight is 0 when it only pads the last batch.
 */
import { ValueError } from "../common/errors.ts";
import { checkOptions, noOptions, type OptionKinds } from "../common/options.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import { mul } from "../ops/elementwise/arithmetic.ts";
import { eq, gt } from "../ops/elementwise/compare.ts";
import {
  type ClassLoss,
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
import { perSample } from "../ops/loss/loss-reduction.ts";
import { bce as bceOf, bceWithLogits as bceWithLogitsOf, mse as mseOf } from "../ops/loss/mean-losses.ts";
import { sum } from "../ops/reduce/sum.ts";

/** What a loss says of a batch. Every tensor is a scalar of shape []. */
export interface LossResult {
  /** Mean over the samples that count. */
  readonly loss: Tensor;
  /** Sum of the samples' weights. */
  readonly count: Tensor;
  /** What the mean is divided by where that is not `count`, as with class weights: batches are averaged by it. */
  readonly weight?: Tensor;
  /** Sums over samples, by name: `correct` becomes accuracy. */
  readonly sums: Readonly<Record<string, Tensor>>;
}

export interface Loss {
  /** True when targets are class numbers (i32 [N]); else they are values of the output's shape. */
  readonly classes: boolean;
  /** Outputs are [N, C, …] with one of C for each class: the trainer refuses fewer than the data have. */
  readonly outputPerClass?: boolean;
  /** Samples of this label count for nothing: it may lie outside the classes. */
  readonly ignoreIndex?: number;
  /** Outputs above this mean 1: for losses whose targets are 0 or 1. */
  readonly threshold?: number;
  /** Builds the loss of a batch: output [N, …], target, weights [N]. */
  build(output: Tensor, target: Tensor, weights: Tensor): LossResult;
  /** The same loss with other class weights or smoothing, where it has such. */
  reweighted?(options: Pick<CrossEntropyLossOptions, "classWeights" | "labelSmoothing">): Loss;
}

export interface CrossEntropyLossOptions {
  /** One number per class, not all 0; a label's mean is weighted by its class's, over batches as within them. */
  readonly classWeights?: readonly number[];
  /** Samples of this label count for nothing; it may lie outside the classes. Default -100. */
  readonly ignoreIndex?: number;
  /** Share of the target that is spread over all classes, 0 to 1. Default 0. */
  readonly labelSmoothing?: number;
  /** Targets are probabilities of the logits' shape and not class numbers. Default false. */
  readonly probabilities?: boolean;
}

const NLL = { classWeights: "array", ignoreIndex: "number" } as const;
const CROSS_ENTROPY = {
  ...NLL,
  labelSmoothing: "number",
  probabilities: "boolean",
} as const satisfies OptionKinds<CrossEntropyLossOptions>;

/** Cross-entropy of softmax(logits [N, C]) with class numbers [N]; counts correct answers too. */
export function crossEntropy(options: CrossEntropyLossOptions = {}): Loss {
  const {
    classWeights,
    probabilities = false,
    ...rest
  } = checkOptions("nn.crossEntropy", options, CROSS_ENTROPY);
  const given = { ...rest, ...classWeightsOf(classWeights) };
  const loss = classLoss(!probabilities, (output, target, weights) =>
    crossEntropyOf(output, target, { ...given, weights }),
  );
  return { ...loss, ...ignoring(rest), reweighted: (other) => crossEntropy({ ...options, ...other }) };
}

/** Negative log-likelihood of log-probabilities [N, C], as logSoftmax gives them; counts correct answers too. */
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

/** Multi-class margin of scores [N, C] and class numbers [N]; counts correct answers too. */
export function multiMargin(options: Omit<MultiMarginOptions, "weights" | "reduction"> = {}): Loss {
  checkOptions("nn.multiMargin", options, { margin: "number", p: "any" });
  return classLoss(true, (output, target, weights) => multiMarginOf(output, target, { ...options, weights }));
}

/** Mean over samples of the mean squared difference: output and target of one shape [N, …]. */
export function mse(...none: readonly never[]): Loss {
  noOptions("nn.mse", none);
  return valueLoss(mseOf);
}

/** Mean over samples of the mean absolute difference: output and target of one shape [N, …]. */
export function l1(...none: readonly never[]): Loss {
  noOptions("nn.l1", none);
  return valueLoss(l1Of);
}

/** Half the squared difference up to `delta` (default 1), the tangent beyond; otherwise as `mse`. */
export function huber(options: { readonly delta?: number } = {}): Loss {
  const { delta = 1 } = checkOptions("nn.huber", options, { delta: "number" });
  return valueLoss((output, target, weights) => huberOf(output, target, { delta, weights }));
}

/** `huber` divided by its threshold `beta` (default 1); otherwise as `mse`. */
export function smoothL1(options: { readonly beta?: number } = {}): Loss {
  const { beta = 1 } = checkOptions("nn.smoothL1", options, { beta: "number" });
  return valueLoss((output, target, weights) => smoothL1Of(output, target, { beta, weights }));
}

/** Kullback-Leibler divergence of log-probabilities from target probabilities, mean over samples (PyTorch's batchmean). */
export function klDiv(options: { readonly logTarget?: boolean } = {}): Loss {
  const { logTarget = false } = checkOptions("nn.klDiv", options, { logTarget: "boolean" });
  return valueLoss((output, target, weights) =>
    klDivOf(output, target, { logTarget, weights, reduction: "batchMean" }),
  );
}

/** Mean of max(0, margin - target output) for targets of -1 and 1; otherwise as `mse`. */
export function hinge(options: { readonly margin?: number } = {}): Loss {
  const { margin = 1 } = checkOptions("nn.hinge", options, { margin: "number" });
  return valueLoss((output, target, weights) => hingeOf(output, target, { margin, weights }));
}

/**
 * Binary cross-entropy of probabilities with targets in [0, 1], of one shape [N, …]; counts as right what lies on the
 * target's side of a half. Prefer `bceWithLogits`.
 */
export function bce(...none: readonly never[]): Loss {
  noOptions("nn.bce", none);
  return valueLoss(bceOf, 0.5);
}

/**
 * Binary cross-entropy of logits with targets in [0, 1], of one shape [N, …]; sigmoid is part of it, and right
 * answers are counted too. `posWeight` weighs the positive part, a number or one per column.
 */
export function bceWithLogits(options: { readonly posWeight?: number | readonly number[] } = {}): Loss {
  const { posWeight } = checkOptions("nn.bceWithLogits", options, { posWeight: "numbers" });
  if (posWeight === undefined) return valueLoss(bceWithLogitsOf, 0);
  const values = typeof posWeight === "number" ? [posWeight] : posWeight;
  if (!values.every(Number.isFinite))
    throw new ValueError(`nn.bceWithLogits: posWeight must be finite, got ${values}`);
  return valueLoss(
    (output, target, weights) => bceWithLogitsOf(output, target, { weights, posWeight: constant(values) }),
    0,
  );
}

const ignoring = ({ ignoreIndex = IGNORED }: { readonly ignoreIndex?: number }) => ({ ignoreIndex });

function classWeightsOf(values: readonly number[] | undefined): { classWeights?: Tensor } {
  const bad = values?.findIndex((value) => !Number.isFinite(value)) ?? -1;
  if (bad >= 0)
    throw new ValueError(`nn: classWeights must be finite, got ${values?.[bad]} for class ${bad}`);
  if (values?.every((value) => value === 0))
    throw new ValueError(
      "nn: classWeights are all 0: nothing would be trained; give one class at least a weight",
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

/** `threshold`: outputs above it mean 1, for losses whose targets are 0 or 1. */
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
      sums: threshold === undefined ? {} : { correct: rightSides(output, target, weights, threshold) },
    }),
  };
}

/** Sum over samples of the share of their values that lie on the target's side. */
function rightSides(output: Tensor, target: Tensor, weights: Tensor, threshold: number): Tensor {
  const right = eq(gt(output, threshold), gt(target, 0.5));
  const share = weights.size / output.size;
  return sum(mul(mul(right, perSample("bce", weights, output.shape)), share));
}
