/** The update of running statistics by those of a batch, as torch.nn.BatchNorm has it. */

import { type DefinedOp, defineOp, expectSpec, shapeError } from "../../graph/op.ts";
import { sizeOf } from "../../graph/spec.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import { runningStatsKernels } from "../../kernels/norm/running-stats.ts";

export interface RunningStatsAttrs {
  /** Weight of the new batch; null for the average of all batches so far. */
  readonly momentum: number | null;
  /** Number of values per channel in the batch. */
  readonly samples: number;
}

export const runningStatsOp: DefinedOp<RunningStatsAttrs> = defineOp({
  name: "runningStats",
  args: ["runningMean", "runningVar", "count", "mean", "variance"],
  results: [],
  mutates: ["runningMean", "runningVar", "count"],
  follows: true,
  plan(inputs, { momentum, samples }: RunningStatsAttrs) {
    const [runningMean, runningVar, count, mean, variance] = inputs;
    const C = runningMean!.shape[0]!;
    for (const [i, s] of [runningMean, runningVar, mean, variance].entries()) {
      const name = ["runningMean", "runningVar", "mean", "variance"][i]!;
      if (expectSpec("runningStats", name, s, 1).shape[0] !== C) {
        throw shapeError("runningStats", "all must have one value per channel", inputs);
      }
    }
    if (count?.dtype !== "i32" || sizeOf(count.shape) !== 1) {
      throw shapeError("runningStats", "count must be one i32", inputs);
    }
    if (!(samples > 1)) throw shapeError("runningStats", "needs more than one value per channel", inputs);
    return {
      outputs: [],
      constants: {
        C,
        momentum: momentum ?? 0,
        CUMULATIVE: momentum === null,
        unbias: samples / (samples - 1),
      },
    };
  },
  cpu({ runningMean, runningVar, count, mean, variance }, { C, momentum, CUMULATIVE, unbias }) {
    const f = CUMULATIVE ? 1 / (count[0]! + 1) : momentum;
    for (let c = 0; c < C; c++) {
      runningMean[c] = (1 - f) * runningMean[c]! + f * mean[c]!;
      runningVar[c] = (1 - f) * runningVar[c]! + f * variance[c]! * unbias;
    }
    count[0]! += 1;
  },
  kernels: runningStatsKernels,
});

/**
 * An update: running = (1 - momentum) running + momentum new for the mean and the unbiased variance (f32 [C]), and `count` (one
 * i32) grows by 1. `batch` has the mean and biased variance of `samples` values per channel. Throws ShapeError.
 */
export function updateRunningStats(
  running: { readonly mean: Tensor; readonly variance: Tensor; readonly count: Tensor },
  batch: { readonly mean: Tensor; readonly variance: Tensor; readonly samples: number },
  momentum: number | null = 0.1,
): Node {
  const { samples } = batch;
  return runningStatsOp.node([running.mean, running.variance, running.count, batch.mean, batch.variance], {
    momentum,
    samples,
  });
}
