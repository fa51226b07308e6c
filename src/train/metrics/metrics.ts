/**
 * Ready metrics, computed on the device: `import { metrics } from "weft"`. Classes may be given as class numbers, as
 * targets of the output's width (the largest is meant), or as 0 and 1 with one output.
 */
import { ShapeError, ValueError } from "../../common/errors.ts";
import { checkOptions, type OptionKinds, shown } from "../../common/options.ts";
import { formatSpec, sameShape } from "../../graph/spec.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { add, mul, square, sub } from "../../ops/elementwise/arithmetic.ts";
import { eq, ge, gt, lt, where } from "../../ops/elementwise/compare.ts";
import { abs } from "../../ops/elementwise/math.ts";
import { oneHot } from "../../ops/index/gather.ts";
import { matmul } from "../../ops/linalg/matmul.ts";
import { argmax } from "../../ops/reduce/argmax.ts";
import { mean, sum } from "../../ops/reduce/sum.ts";
import { concat } from "../../ops/shape/concat.ts";
import { expandDims, reshape } from "../../ops/shape/reshape.ts";
import { transpose } from "../../ops/shape/transpose.ts";
import { labelMeans } from "../input/label-means.ts";
import { METRIC, type Metric, type MetricBatch, type MetricOptions, overSamples } from "./definition.ts";

export { custom, type Metric, type MetricBatch, type MetricOptions, type MetricValue } from "./definition.ts";

export interface ClassMetricOptions extends MetricOptions {
  /** With one output: above this it says 1. Default 0, right for logits; 0.5 for probabilities. */
  readonly threshold?: number;
}

export interface ClassAverageOptions extends ClassMetricOptions {
  /** `macro` (default): the mean over classes. `none`: one number per class. */
  readonly average?: "macro" | "none";
}

const CLASS = { training: "boolean", threshold: "number" } as const satisfies OptionKinds<ClassMetricOptions>;
const AVERAGE = { ...CLASS, average: "any" } as const satisfies OptionKinds<ClassAverageOptions>;

/** Share of samples whose class is right. In training too. */
export function accuracy(options: ClassMetricOptions = {}): Metric {
  const { threshold = 0, training = true } = checkOptions("metrics.accuracy", options, CLASS);
  return {
    name: "accuracy",
    key: `accuracy ${threshold}`,
    training,
    sums(prediction, batch) {
      const { truth, said } = classesOf("accuracy", prediction, batch, threshold);
      return overSamples(sum(mul(truth, said), { axes: 1 }), batch.weights);
    },
    value: ([right = 0], samples) => right / samples,
  };
}

/** Share of samples whose class is among the `k` largest outputs; of equal outputs the first count as larger. In training too. */
export function topK(k: number, options: MetricOptions = {}): Metric {
  const { training = true } = checkOptions("metrics.topK", options, METRIC);
  if (!Number.isInteger(k) || k < 1) {
    throw new ValueError(`metrics.topK: k must be a whole number of at least 1, got ${shown(k)}`);
  }
  return {
    name: `top${k}`,
    key: `top${k}`,
    training,
    sums(prediction, batch) {
      const { truth } = classesOf("topK", prediction, batch, 0);
      const C = prediction.shape[1] as number;
      if (k > C) {
        throw new ShapeError(
          `metrics.topK: k is ${k}, but the output ${formatSpec(prediction)} has ${C} classes`,
        );
      }
      const own = sum(where(truth, prediction, 0), { axes: 1, keepDims: true });
      const places = constant(Float64Array.from({ length: C }, (_, c) => c));
      const place = sum(mul(truth, places), { axes: 1, keepDims: true });
      // Counting what lies behind, the sample itself included, lets NaN be wrong: it is behind nothing.
      const behind = add(lt(prediction, own), mul(eq(prediction, own), ge(places, place)));
      return overSamples(gt(sum(behind, { axes: 1 }), C - k + 0.5), batch.weights);
    },
    value: ([right = 0], samples) => right / samples,
  };
}

/** Samples by true class (rows) and predicted class (columns). Only in evaluation unless told otherwise. */
export function confusionMatrix(options: ClassMetricOptions = {}): Metric {
  return fromConfusion("confusionMatrix", options, rowsOf);
}

/** Of the samples said to be of a class, the share that is: 0 where none was said to be. Only in evaluation unless told otherwise. */
export function precision(options: ClassAverageOptions = {}): Metric {
  return perClass("precision", options, (matrix, c) => share(at(matrix, c, c), column(matrix, c)));
}

/** Of the samples of a class, the share that was found: 0 where there are none. Only in evaluation unless told otherwise. */
export function recall(options: ClassAverageOptions = {}): Metric {
  return perClass("recall", options, (matrix, c) => share(at(matrix, c, c), row(matrix, c)));
}

/** Harmonic mean of precision and recall. Only in evaluation unless told otherwise. */
export function f1(options: ClassAverageOptions = {}): Metric {
  return perClass("f1", options, (matrix, c) =>
    share(2 * at(matrix, c, c), row(matrix, c) + column(matrix, c)),
  );
}

/** Mean squared error, over samples and their values. In training too. */
export function mse(options: MetricOptions = {}): Metric {
  const { training = true } = checkOptions("metrics.mse", options, METRIC);
  return errorMetric("mse", training, square);
}

/** Mean absolute error, over samples and their values. In training too. */
export function mae(options: MetricOptions = {}): Metric {
  const { training = true } = checkOptions("metrics.mae", options, METRIC);
  return errorMetric("mae", training, abs);
}

/**
 * Coefficient of determination: 1 - squared errors / squared distances from the data set's mean, the mean over columns.
 * Where a column is constant it is 1 for a perfect prediction, else 0. In training too.
 */
export function r2(options: MetricOptions = {}): Metric {
  const { training = true } = checkOptions("metrics.r2", options, METRIC);
  return {
    name: "r2",
    key: "r2",
    training,
    sums(prediction, batch) {
      const target = valuesOf("r2", prediction, batch);
      // Distances from the mean itself: sums of squares would drown them where values are far from 0.
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

/**
 * What a classifier is measured by: top-k (default 5) where there are more classes than that, and what a confusion matrix
 * tells.
 */
export function classification(
  classes: number,
  options: { readonly k?: number; readonly threshold?: number } = {},
): Metric[] {
  const kinds = { k: "number", threshold: "number" } as const;
  const { k = 5, threshold = 0 } = checkOptions("metrics.classification", options, kinds);
  const mean = { threshold };
  const each = { threshold, average: "none" } as const;
  return [
    ...(classes > k ? [topK(k)] : []),
    confusionMatrix(mean),
    ...[precision, recall, f1].flatMap((of) => [of(mean), of(each)]),
  ];
}

/** What a regression is measured by: MSE, MAE and R2. */
export function regression(): Metric[] {
  return [mse(), mae(), r2()];
}

function errorMetric(name: string, training: boolean, of: (difference: Tensor) => Tensor): Metric {
  return {
    name,
    key: name,
    training,
    sums(prediction, batch) {
      const each = of(sub(prediction, valuesOf(name, prediction, batch)));
      const axes = prediction.shape.slice(1).map((_, i) => i + 1);
      return overSamples(axes.length === 0 ? each : mean(each, { axes }), batch.weights);
    },
    value: ([total = 0], samples) => total / samples,
  };
}

/** Square matrices by rows, flat. */
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
    sums(prediction, batch) {
      const { truth, said } = classesOf(name, prediction, batch, threshold);
      return matmul(transpose(mul(truth, expandDims(batch.weights, 1)), 0, 1), said);
    },
    value,
  };
}

/** True and predicted class of each sample, [N, C] with a 1 each. */
function classesOf(
  who: string,
  prediction: Tensor,
  { target, classes = 0 }: MetricBatch,
  threshold: number,
): { truth: Tensor; said: Tensor } {
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
    return { truth: oneHot(target, C), said: oneHot(argmax(prediction), C) };
  }
  const values = valuesOf(who, prediction, { target });
  if (C > 1) return { truth: oneHot(argmax(values), C), said: oneHot(argmax(prediction), C) };
  const both = (one: Tensor) => concat([sub(1, one), one], 1);
  return { truth: both(gt(values, 0.5)), said: both(gt(prediction, threshold)) };
}

/** Target values in the prediction's shape. */
function valuesOf(who: string, prediction: Tensor, { target }: Pick<MetricBatch, "target">): Tensor {
  const extents = ({ shape }: Tensor) => shape.filter((d) => d !== 1);
  if (target.dtype !== "f32" || !sameShape(extents(target), extents(prediction))) {
    throw new ShapeError(
      `metrics.${who}: needs target values of the output's shape, got ${formatSpec(target)} for ${formatSpec(prediction)}`,
    );
  }
  return reshape(target, prediction.shape);
}
