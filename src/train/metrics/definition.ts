/**
 * What a metric is: sums over samples that a graph computes beside the loss, and what they amount to at the end. The
 * sums of every step are read back and added in float64, so they stay right over any number of samples.
 */

import { ShapeError, ValueError } from "../../common/errors.ts";
import { checkOptions, type OptionKinds, shown } from "../../common/options.ts";
import type { TrainingData } from "../../data/sharded.ts";
import { formatSpec } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { mul } from "../../ops/elementwise/arithmetic.ts";
import { ne, where } from "../../ops/elementwise/compare.ts";
import { perSample } from "../../ops/loss/loss-reduction.ts";
import { sum } from "../../ops/reduce/sum.ts";
import type { Batch } from "../../transforms/transform.ts";

/** A number, one per class or column, or a matrix by rows. */
export type MetricValue = number | readonly number[] | readonly (readonly number[])[];

/** A batch as metrics see it. */
export interface MetricBatch extends Batch {
  readonly dataset: TrainingData;
}

export interface Metric {
  /** What records call it. */
  readonly name: string;
  /** Metrics of the same key have the same sums, which are computed once. */
  readonly key: string;
  /** Whether it is computed in training too and not in evaluation only. */
  readonly training: boolean;
  /** Sums over the samples of a batch, of any shape; samples of weight 0 must not count. */
  sums(prediction: Tensor, batch: MetricBatch): Tensor;
  /** `totals`: sums over all batches, flat. `samples`: how many counted. */
  value(totals: Float64Array, samples: number): MetricValue;
}

export interface MetricOptions {
  /** Compute it in training too. Default: only what costs next to nothing, see each metric. */
  readonly training?: boolean;
}

export const METRIC = { training: "boolean" } as const satisfies OptionKinds<MetricOptions>;

/** Refuses what is no metric, such as a metric's function that was not called. */
export function checkMetric(who: string, metric: unknown): void {
  if (typeof metric === "object" && metric !== null && "sums" in metric) return;
  const hint = typeof metric === "string" ? `metrics.${metric}()` : "metrics.accuracy()";
  throw new ValueError(`${who} must be one of \`metrics\`, as in ${hint}, got ${shown(metric)}`);
}

/**
 * A metric of one's own. `of` builds from the model's prediction [N, …] and the batch a value per sample, f32 [N] or
 * [N, …]; the metric is their mean over all samples, each counted once. Computed in training too, unless told otherwise.
 */
export function custom(
  name: string,
  of: (prediction: Tensor, batch: MetricBatch) => Tensor,
  options: MetricOptions = {},
): Metric {
  const { training = true } = checkOptions("metrics.custom", options, METRIC);
  if (typeof name !== "string" || name === "") throw new ValueError("metrics.custom: needs a name");
  if (typeof of !== "function") throw new ValueError(`metrics.custom: needs a function, got ${shown(of)}`);
  return {
    name,
    key: `custom ${name}`,
    training,
    sums: (prediction, batch) => overSamples(of(prediction, batch), batch.weights),
    value: (totals, samples) => {
      const means = Array.from(totals, (total) => total / samples);
      return means.length === 1 ? (means[0] as number) : means;
    },
  };
}

/** Sum over the first axis of values [N, …], weighted; what does not count may be anything. */
export function overSamples(values: Tensor, weights: Tensor): Tensor {
  if (values.shape[0] !== weights.size) {
    throw new ShapeError(
      `metrics: needs a value for each of ${weights.size} samples, [${weights.size}] or [${weights.size}, …], got ${formatSpec(values)}`,
    );
  }
  const w = perSample("metric", weights, values.shape);
  return sum(mul(where(ne(w, 0), values, 0), w), { axes: 0 });
}
