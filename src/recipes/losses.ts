/** Squared error as the reports have it: summed over a sample's outputs, averaged over samples only. */

import type { Tensor } from "../graph/tensor.ts";
import type { Loss } from "../nn/loss.ts";
import { mul } from "../ops/elementwise/arithmetic.ts";
import { classTargets } from "../ops/loss/class-targets.ts";
import { mse } from "../ops/loss/mean-losses.ts";
import { sum } from "../ops/reduce/sum.ts";

/** Of outputs [N, K] and target values [N, K]; the slope by an output is 2 (output - target). */
export function squaredError(): Loss {
  return {
    classes: false,
    build: (output, target, weights) => ({ ...summed(output, target, weights), sums: {} }),
  };
}

/** Of outputs [N, C] and class numbers [N] as 1 for the class and 0 for the others; counts correct answers too. */
export function squaredErrorOfClasses(): Loss {
  return {
    classes: true,
    build(output, target, weights) {
      const { targets, hits } = classTargets(output, target, { weights });
      return { ...summed(output, targets, weights), sums: { correct: sum(hits) } };
    },
  };
}

function summed(output: Tensor, target: Tensor, weights: Tensor): { loss: Tensor; count: Tensor } {
  return { loss: mul(mse(output, target, weights), output.size / weights.size), count: sum(weights) };
}
