/**
 * Losses as the trainer wants them: one number to minimise, averaged over the samples that count, and metrics beside
 * it. A sample's weight is 0 when it only pads the last batch.
 */
import { ShapeError } from "../errors.ts";
import { div, mul, square, sub } from "../ops/arithmetic.ts";
import { crossEntropy as crossEntropyOf } from "../ops/cross-entropy.ts";
import { reshape } from "../ops/reshape.ts";
import { mean, sum } from "../ops/sum.ts";
import { formatShape, sameShape, type Tensor } from "../tensor.ts";

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

/** Mean over samples of the mean squared difference. */
export function mse(): Loss {
  return {
    classes: false,
    build(output, target, weights) {
      if (!sameShape(output.shape, target.shape)) {
        throw new ShapeError(
          `mse: output ${formatShape(output.shape)} and target ${formatShape(target.shape)} must have one shape`,
        );
      }
      const [batch = 1] = output.shape;
      const perSample = mean(reshape(square(sub(output, target)), [batch, -1]), { axes: 1 });
      const count = sum(weights);
      return { loss: div(sum(mul(perSample, weights)), count), count, sums: {} };
    },
  };
}
