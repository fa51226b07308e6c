/**
 * Losses as the trainer wants them: one number to minimise, averaged over the samples that count, and metrics beside
 * it. A sample's weight is 0 when it only pads the last batch.
 */
import { crossEntropy as crossEntropyOf } from "../ops/cross-entropy.ts";
import { bceWithLogits as bceWithLogitsOf, mse as mseOf } from "../ops/losses.ts";
import { sum } from "../ops/sum.ts";
import type { Tensor } from "../tensor.ts";

/** What a loss says of a batch. Every tensor is a scalar of shape []. */
export interface LossResult {
  /** Mean over the samples that count. */
  readonly loss: Tensor;
  /** Sum of the samples' weights. */
  readonly count: Tensor;
  /** Sums over samples, by name: `correct` becomes accuracy. */
  readonly sums: Readonly<Record<string, Tensor>>;
}

export interface Loss {
  /** True when targets are class numbers (i32 [N]); else they are values of the output's shape. */
  readonly classes: boolean;
  /** Builds the loss of a batch: output [N, …], target, weights [N]. */
  build(output: Tensor, target: Tensor, weights: Tensor): LossResult;
}

/** Cross-entropy of softmax(logits [N, C]) with class numbers [N]; counts correct answers too. */
export function crossEntropy(): Loss {
  return {
    classes: true,
    build(output, target, weights) {
      const { loss, correct, count } = crossEntropyOf(output, target, weights);
      return { loss, count, sums: { correct } };
    },
  };
}

/** Mean over samples of the mean squared difference: output and target of one shape [N, …]. */
export function mse(): Loss {
  return valueLoss(mseOf);
}

/** Binary cross-entropy of logits with targets in [0, 1], of one shape [N, …]; sigmoid is part of it. */
export function bceWithLogits(): Loss {
  return valueLoss(bceWithLogitsOf);
}

function valueLoss(op: (output: Tensor, target: Tensor, weights: Tensor) => Tensor): Loss {
  return {
    classes: false,
    build: (output, target, weights) => ({
      loss: op(output, target, weights),
      count: sum(weights),
      sums: {},
    }),
  };
}
