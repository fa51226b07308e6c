/**
 * What a metric is: sums over the samples of a batch, computed on the device beside the loss, and a value computed from
 * their totals. Totals over batches are added in float64 on the host, so that they stay exact over any number of samples.
 */

import type { PairData } from "../../data/sharded.ts";
import { formatSpec } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { mul } from "../../ops/elementwise/arithmetic.ts";
import { ne, where } from "../../ops/elementwise/compare.ts";
import { perSample } from "../../ops/loss/loss-reduction.ts";
import { sum } from "../../ops/reduce/sum.ts";
import type { Batch } from "../../transforms/transform.ts";
import { ShapeError, ValueError } from "../../validation/errors.ts";
import { checkOptions, type OptionKinds, shown } from "../../validation/options.ts";

/** A number, one per class or column, or a matrix by rows. */
export type MetricValue = number | readonly number[] | readonly (readonly number[])[];

/** The batch that metrics are computed from. */
export interface MetricBatch extends Batch {
  readonly dataset: PairData;
  /** The label that the loss ignores. */
  readonly ignoreIndex?: number;
}

export interface Metric {
  /** Its name in epoch records. */
  readonly name: string;
  /** Metrics with the same key have the same sums, which are computed once. */
  readonly key: string;
  /** Whether it is also computed in training; false: only in evaluation. */
  readonly training: boolean;
  /** Sums over the samples of a batch, of any shape. Samples of weight 0 must not count. */
  sums(prediction: Tensor, batch: MetricBatch): Tensor;
  /** The metric, from the totals of `sums` over all batches, flattened, and the number of samples that counted. */
  value(totals: Float64Array, samples: number): MetricValue;
}

export interface MetricOptions {
  /** Also compute it in training. Default: true for cheap metrics, see each. */
  readonly training?: boolean;
}

export const METRIC = { training: "boolean" } as const satisfies OptionKinds<MetricOptions>;

/** Throws ValueError where `metric` is none, such as a metric's function that was not called. */
export function checkMetric(who: string, metric: unknown): void {
  if (typeof metric === "object" && metric !== null && "sums" in metric) return;
  const hint = typeof metric === "string" ? `metrics.${metric}()` : "metrics.accuracy()";
  throw new ValueError(`${who} must be one of \`metrics\`, as in ${hint}, got ${shown(metric)}`);
}

/**
 * A user-defined metric. `of` builds a value per sample, f32 [N] or [N, …], from the model's prediction [N, …] and the batch;
 * the metric is the mean over all samples, each counted once. Also computed in training, unless options say otherwise.
 */
export function custom(
  name: string,
  of: (prediction: Tensor, batch: MetricBatch) => Tensor,
  options: MetricOptions = {},
): Metric {
  const { training = true } = checkOptions("metrics.custom", options, METRIC);
  if (typeof name !== "string" || name === "")
    throw new ValueError(`metrics.custom: needs a name, got ${shown(name)}`);
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

/** Weighted sum over the first axis of values [N, …]; values of weight 0 may be NaN. */
export function overSamples(values: Tensor, weights: Tensor): Tensor {
  if (values.shape[0] !== weights.size) {
    throw new ShapeError(
      `metrics: needs one value per sample, [${weights.size}] or [${weights.size}, …], got ${formatSpec(values)}`,
    );
  }
  const w = perSample("metric", weights, values.shape);
  return sum(mul(where(ne(w, 0), values, 0), w), { axes: 0 });
}
