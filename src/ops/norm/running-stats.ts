/** The update that carries a batch's statistics over into running ones, as torch.nn.BatchNorm has it. */

import { type DefinedOp, defineOp, expectSpec, shapeError } from "../../graph/op.ts";
import { Shader } from "../../graph/shader.ts";
import { sizeOf } from "../../graph/spec.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";

const code = () => import("../../../shaders/norm/running-stats.wgsl?raw");

const shader = new Shader("running-stats.wgsl", code);

export interface RunningStatsAttrs {
  /** Share of the new batch; null for the average of all batches so far. */
  readonly momentum: number | null;
  /** Values that the batch's statistics were taken of. */
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
  kernels: () => ({
    kernels: [
      {
        shader,
        entry: "update",
        bind: ["runningMean", "runningVar", "count", "mean", "variance"],
        groups: [1],
      },
    ],
  }),
});

/**
 * An update: moves `runningMean` and `runningVar` (f32 [C]) towards a batch's `mean` and biased `variance` of `samples`
 * values each, and `count` (one i32) on by 1. Throws ShapeError.
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
