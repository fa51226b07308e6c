/**
 * The metrics that Weft provides, computed on the device: `import { metrics } from "weft"`. Targets may be class numbers,
 * values of the output's width (the largest is the class), or 0 and 1 for a single output. Class numbers may be one per position or
 * pixel, for outputs [N, C, …]; each position then counts, except those with a label that the loss ignores.
 */

import { type Dataset, labelSize, titleOf } from "../../data/dataset.ts";
import { isSharded, type PairData } from "../../data/sharded.ts";
import { formatSpec, sameShape } from "../../graph/spec.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { add, mul, square, sub } from "../../ops/elementwise/arithmetic.ts";
import { cast } from "../../ops/elementwise/cast.ts";
import { eq, ge, gt, lt, ne, where } from "../../ops/elementwise/compare.ts";
import { abs } from "../../ops/elementwise/math.ts";
import { oneHot } from "../../ops/index/gather.ts";
import { matmul } from "../../ops/linalg/matmul.ts";
import { argmax } from "../../ops/reduce/argmax.ts";
import { expand, mean, sum } from "../../ops/reduce/sum.ts";
import { concat } from "../../ops/shape/concat.ts";
import { expandDims, reshape } from "../../ops/shape/reshape.ts";
import { permute, transpose } from "../../ops/shape/transpose.ts";
import { ShapeError, ValueError } from "../../validation/errors.ts";
import { checkOptions, type OptionKinds, shown } from "../../validation/options.ts";
import { METRIC, type Metric, type MetricBatch, type MetricOptions, overSamples } from "./definition.ts";

export { custom, type Metric, type MetricBatch, type MetricOptions, type MetricValue } from "./definition.ts";

export interface ClassMetricOptions extends MetricOptions {
  /** With a single output: values above this predict class 1. Default 0, for logits; take 0.5 for probabilities. */
  readonly threshold?: number;
}

export interface ClassAverageOptions extends ClassMetricOptions {
  /** `macro` (default): the mean over classes. `none`: one number per class. */
  readonly average?: "macro" | "none";
}

const CLASS = { training: "boolean", threshold: "number" } as const satisfies OptionKinds<ClassMetricOptions>;
const AVERAGE = { ...CLASS, average: "any" } as const satisfies OptionKinds<ClassAverageOptions>;

/** Share of samples whose class is predicted. Also in training. */
export function accuracy(options: ClassMetricOptions = {}): Metric {
  const { threshold = 0, training = true } = checkOptions("metrics.accuracy", options, CLASS);
  return classMean("accuracy", `accuracy ${threshold}`, training, (prediction, batch) => {
    const { actual, predicted } = classesOf("accuracy", prediction, batch, threshold);
    return sum(mul(actual, predicted), { axes: 1 });
  });
}

/** Share of samples whose class has one of the `k` largest outputs; of equal outputs the first count as larger. Also in training. */
export function topK(k: number, options: MetricOptions = {}): Metric {
  const { training = true } = checkOptions("metrics.topK", options, METRIC);
  if (!Number.isInteger(k) || k < 1) {
    throw new ValueError(`metrics.topK: k must be a whole number of at least 1, got ${shown(k)}`);
  }
  return classMean(`top${k}`, `top${k}`, training, (prediction, batch) => {
    const { actual } = classesOf("topK", prediction, batch, 0);
    const C = prediction.shape[1] as number;
    if (k > C) {
      throw new ShapeError(
        `metrics.topK: k is ${k}, but the output ${formatSpec(prediction)} has ${C} classes`,
      );
    }
    const output = sum(where(actual, prediction, 0), { axes: 1, keepDims: true });
    const indices = constant(Float64Array.from({ length: C }, (_, c) => c));
    const index = sum(mul(actual, indices), { axes: 1, keepDims: true });
    // Counts classes that rank no higher, the sample's own included: NaN, which ranks above nothing, is then wrong.
    const below = add(lt(prediction, output), mul(eq(prediction, output), ge(indices, index)));
    return gt(sum(below, { axes: 1 }), C - k + 0.5);
  });
}

/** Number of samples by actual class (rows) and predicted class (columns). By default only in evaluation. */
export function confusionMatrix(options: ClassMetricOptions = {}): Metric {
  return fromConfusion("confusionMatrix", options, rowsOf);
}

/** Share of the samples predicted as a class that are of it: 0 where there are none. By default only in evaluation. */
export function precision(options: ClassAverageOptions = {}): Metric {
  return perClass("precision", options, (matrix, c) => share(at(matrix, c, c), column(matrix, c)));
}

/** Share of the samples of a class that are predicted as it: 0 where there are none. By default only in evaluation. */
export function recall(options: ClassAverageOptions = {}): Metric {
  return perClass("recall", options, (matrix, c) => share(at(matrix, c, c), row(matrix, c)));
}

/** Harmonic mean of precision and recall. By default only in evaluation. */
export function f1(options: ClassAverageOptions = {}): Metric {
  return perClass("f1", options, (matrix, c) =>
    share(2 * at(matrix, c, c), row(matrix, c) + column(matrix, c)),
  );
}

/** Mean squared error, over samples and their values. Also in training. */
export function mse(options: MetricOptions = {}): Metric {
  const { training = true } = checkOptions("metrics.mse", options, METRIC);
  return errorMetric("mse", training, square);
}

/** Mean absolute error, over samples and their values. Also in training. */
export function mae(options: MetricOptions = {}): Metric {
  const { training = true } = checkOptions("metrics.mae", options, METRIC);
  return errorMetric("mae", training, abs);
}

/**
 * Coefficient of determination: 1 - squared errors / squared distances from the data set's mean; the mean over columns. A
 * constant column counts as 1 for a perfect prediction, else 0. Also in training.
 */
export function r2(options: MetricOptions = {}): Metric {
  const { training = true } = checkOptions("metrics.r2", options, METRIC);
  return {
    name: "r2",
    key: "r2",
    training,
    sums(prediction, batch) {
      const target = valuesOf("r2", prediction, batch);
      // Distances from the mean, not sums of squares, which lose precision where values are far from 0.
      const means = constant(labelMeans(batch.dataset), prediction.shape.slice(1));
      const flat = (x: Tensor) => reshape(x, [x.shape[0] as number, -1]);
      const parts = [flat(square(sub(prediction, target))), flat(square(sub(target, means)))];
      return overSamples(concat(parts, 1), batch.weights);
    },
    value(totals) {
      const columns = totals.length / 2;
      let total = 0;
      for (let i = 0; i < columns; i++) {
        const [residual, spread] = [totals[i] as number, totals[columns + i] as number];
        total += spread > 0 ? 1 - residual / spread : residual > 0 ? 0 : 1;
      }
      return total / columns;
    },
  };
}

/** The usual metrics of a classifier: top-k (default 5) where there are more classes than k, confusion matrix, precision, recall, F1. */
export function classification(
  classes: number,
  options: { readonly k?: number; readonly threshold?: number } = {},
): Metric[] {
  const kinds = { k: "number", threshold: "number" } as const;
  const { k = 5, threshold = 0 } = checkOptions("metrics.classification", options, kinds);
  const separate = { threshold, average: "none" } as const;
  return [
    ...(classes > k ? [topK(k)] : []),
    confusionMatrix({ threshold }),
    ...[precision, recall, f1].flatMap((of) => [of({ threshold }), of(separate)]),
  ];
}

/** The usual metrics of a regression: MSE, MAE and R2. */
export function regression(): Metric[] {
  return [mse(), mae(), r2()];
}

/** A metric that is the mean of one value per sample. */
function sampleMean(
  name: string,
  key: string,
  training: boolean,
  of: (prediction: Tensor, batch: MetricBatch) => Tensor,
): Metric {
  return {
    name,
    key,
    training,
    sums: (prediction, batch) => overSamples(of(prediction, batch), batch.weights),
    value: ([total = 0], samples) => total / samples,
  };
}

/** A metric that is the mean of one value per sample or position whose label counts. */
function classMean(
  name: string,
  key: string,
  training: boolean,
  of: (prediction: Tensor, batch: MetricBatch) => Tensor,
): Metric {
  const each = sampleMean(name, key, training, of);
  return {
    ...each,
    sums(prediction, batch) {
      const rows = labelledRows(prediction, batch);
      if (rows === undefined) return each.sums(prediction, batch);
      const total = each.sums(rows.prediction, rows.batch);
      return concat([total, sum(rows.batch.weights)].map((t) => reshape(t, [1])));
    },
    value: ([total = 0, count], samples) => total / (count ?? samples),
  };
}

/**
 * Outputs [N, C, …] and class numbers [N, …] as rows [M, C] and [M], with weight 0 where the label is ignored. Undefined where every
 * sample has one target that counts.
 */
function labelledRows(
  prediction: Tensor,
  batch: MetricBatch,
): { readonly prediction: Tensor; readonly batch: MetricBatch } | undefined {
  const { target, weights, ignoreIndex } = batch;
  const [N = 1, C = 1, ...rest] = prediction.shape;
  if (target.dtype !== "i32" || !sameShape(target.shape, [N, ...rest])) return undefined;
  if (ignoreIndex === undefined && rest.length === 0) return undefined;
  const rows = target.size;
  const apart = permute(prediction, [0, ...rest.map((_, i) => i + 2), 1]);
  const flat = reshape(target, [rows]);
  const each = reshape(expand(reshape(weights, [N, 1]), [N, rows / N]), [rows]);
  const inside = mul(cast(ge(flat, 0), "f32"), cast(lt(flat, C), "f32"));
  const counts = ignoreIndex === undefined ? inside : mul(inside, cast(ne(flat, ignoreIndex), "f32"));
  return {
    prediction: reshape(apart, [rows, C]),
    batch: { ...batch, target: flat, weights: mul(each, counts) },
  };
}

function errorMetric(name: string, training: boolean, of: (difference: Tensor) => Tensor): Metric {
  return sampleMean(name, name, training, (prediction, batch) => {
    const each = of(sub(prediction, valuesOf(name, prediction, batch)));
    const axes = prediction.shape.slice(1).map((_, i) => i + 1);
    return axes.length === 0 ? each : mean(each, { axes });
  });
}

const knownMeans = new WeakMap<Dataset, Float64Array>();

/** Mean of each target value over a data set, in float64, computed once. Throws ValueError where the data set is not in memory. */
function labelMeans(dataset: PairData): Float64Array {
  if (isSharded(dataset)) {
    throw new ValueError(`metrics.r2: needs the labels of ${titleOf(dataset)} in memory, for their means`);
  }
  const known = knownMeans.get(dataset);
  if (known !== undefined) return known;
  const { labels, count } = dataset;
  const size = labelSize(dataset);
  const totals = new Float64Array(size);
  for (let i = 0; i < count * size; i++)
    totals[i % size] = (totals[i % size] as number) + (labels[i] as number);
  const means = totals.map((total) => total / count);
  knownMeans.set(dataset, means);
  return means;
}

/** A square matrix, row-major. */
type Matrix = Float64Array;
const sizeOf = (matrix: Matrix) => Math.round(Math.sqrt(matrix.length));
const at = (matrix: Matrix, r: number, c: number) => matrix[r * sizeOf(matrix) + c] as number;
const classesIn = (matrix: Matrix) => Array.from({ length: sizeOf(matrix) }, (_, c) => c);
const row = (matrix: Matrix, r: number) =>
  classesIn(matrix).reduce((total, c) => total + at(matrix, r, c), 0);
const column = (matrix: Matrix, c: number) =>
  classesIn(matrix).reduce((total, r) => total + at(matrix, r, c), 0);
const rowsOf = (matrix: Matrix) =>
  classesIn(matrix).map((r) => classesIn(matrix).map((c) => at(matrix, r, c)));
const share = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);

function perClass(
  name: string,
  given: ClassAverageOptions,
  of: (matrix: Matrix, c: number) => number,
): Metric {
  const { average = "macro", ...options } = checkOptions(`metrics.${name}`, given, AVERAGE);
  if (average !== "macro" && average !== "none") {
    throw new ValueError(`metrics.${name}: average must be macro or none, got ${String(average)}`);
  }
  return fromConfusion(average === "macro" ? name : `${name}PerClass`, options, (matrix) => {
    const values = classesIn(matrix).map((c) => of(matrix, c));
    return average === "none" ? values : values.reduce((a, b) => a + b, 0) / values.length;
  });
}

function fromConfusion(name: string, options: ClassMetricOptions, value: Metric["value"]): Metric {
  const { threshold = 0, training = false } = checkOptions(`metrics.${name}`, options, CLASS);
  return {
    name,
    key: `confusion ${threshold}`,
    training,
    sums(given, all) {
      const { prediction, batch } = labelledRows(given, all) ?? { prediction: given, batch: all };
      const { actual, predicted } = classesOf(name, prediction, batch, threshold);
      return matmul(transpose(mul(actual, expandDims(batch.weights, 1)), 0, 1), predicted);
    },
    value,
  };
}

/** Actual and predicted class of each sample, one-hot [N, C]. */
function classesOf(
  who: string,
  prediction: Tensor,
  { target, classes = 0 }: MetricBatch,
  threshold: number,
): { actual: Tensor; predicted: Tensor } {
  const C = prediction.shape[1];
  if (prediction.rank !== 2 || C === undefined) {
    throw new ShapeError(`metrics.${who}: needs outputs [samples, classes], got ${formatSpec(prediction)}`);
  }
  if (target.dtype === "i32") {
    if (C < 2 || C < classes) {
      throw new ShapeError(
        `metrics.${who}: class numbers need an output per class, got ${formatSpec(prediction)} for ${classes} classes`,
      );
    }
    return { actual: oneHot(target, C), predicted: oneHot(argmax(prediction), C) };
  }
  const values = valuesOf(who, prediction, { target });
  if (C > 1) return { actual: oneHot(argmax(values), C), predicted: oneHot(argmax(prediction), C) };
  const oneHotOf = (isOne: Tensor) => concat([sub(1, isOne), isOne], 1);
  return { actual: oneHotOf(gt(values, 0.5)), predicted: oneHotOf(gt(prediction, threshold)) };
}

/** Target values, reshaped to the prediction's shape. */
function valuesOf(who: string, prediction: Tensor, { target }: Pick<MetricBatch, "target">): Tensor {
  const extents = ({ shape }: Tensor) => shape.filter((d) => d !== 1);
  if (target.dtype !== "f32" || !sameShape(extents(target), extents(prediction))) {
    throw new ShapeError(
      `metrics.${who}: needs target values of the output's shape, got ${formatSpec(target)} for ${formatSpec(prediction)}`,
    );
  }
  return reshape(target, prediction.shape);
}
