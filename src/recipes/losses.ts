/** Losses of recipes: squared error summed over a sample's outputs and averaged over samples, and losses of classes. */

import type { Tensor } from "../graph/tensor.ts";
import { crossEntropy, type Loss, nll } from "../nn/loss.ts";
import { mul, sub } from "../ops/elementwise/arithmetic.ts";
import { eq } from "../ops/elementwise/compare.ts";
import { classTargets } from "../ops/loss/class-targets.ts";
import { mse } from "../ops/loss/mean-losses.ts";
import { sum } from "../ops/reduce/sum.ts";
import { reshape } from "../ops/shape/reshape.ts";
import type { RecipeOptions } from "./options.ts";

/** Cross-entropy of logits, or the negative log-likelihood where the network ends in log-softmax. */
export function classLoss({ logSoftmax = false }: RecipeOptions = {}): Loss {
  return logSoftmax ? nll() : crossEntropy();
}

/** For outputs [N, K] and target values [N, K]; the derivative by an output is 2 (output - target) / N. */
export function squaredError(): Loss {
  return {
    classes: false,
    build: (output, target, weights) => ({ ...summed(output, target, weights), sums: {} }),
  };
}

/** For outputs [N, C] and class numbers [N], as one-hot targets; counts correct answers too. */
export function squaredErrorOfClasses(): Loss {
  return {
    classes: true,
    build(output, target, weights) {
      const { targets, hits } = classTargets(output, target, { weights });
      return { ...summed(output, targets, weights), sums: { correct: sum(hits) } };
    },
  };
}

/**
 * Cross-entropy of logits [N, T, C] and class numbers [N, T], some of them ignored. A sample is correct if the largest logit is
 * right at all of its positions that are not ignored. Samples must have the same number of such positions.
 */
export function answerLoss(): Loss {
  const loss = crossEntropy({ classAxis: -1 });
  return {
    ...loss,
    build(output, target, weights) {
      const [N, T, C] = output.shape as [number, number, number];
      const rows = classTargets(reshape(output, [N * T, C]), reshape(target, [N * T]), {});
      const misses = sum(reshape(sub(rows.counts, rows.hits), [N, T]), { axes: 1 });
      const { loss: mean } = loss.build(output, target, weights);
      return { loss: mean, count: sum(weights), sums: { correct: sum(mul(eq(misses, 0), weights)) } };
    },
  };
}

function summed(output: Tensor, target: Tensor, weights: Tensor): { loss: Tensor; count: Tensor } {
  return { loss: mul(mse(output, target, weights), output.size / weights.size), count: sum(weights) };
}
