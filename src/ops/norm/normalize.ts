/**
 * Normalisations: batchNorm, instanceNorm, groupNorm, layerNorm, rmsNorm. Of the first three, one op computes statistics; the rest
 * is element-wise and fuses with what follows. The other two are row-norm.ts. The input gradient includes that of the statistics in
 * closed form. float32, PyTorch's formulas and defaults. Second derivatives are right for inputs and weights.
 */

import { type DefinedOp, expectArray, expectTensor, expectWhole, shapeError } from "../../graph/op.ts";
import { formatShape, type Shape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { ShapeError } from "../../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import { add, mul, sub } from "../elementwise/arithmetic.ts";
import { fill } from "../elementwise/fill.ts";
import { rsqrt } from "../elementwise/math.ts";
import { definePointwise } from "../elementwise/pointwise.ts";
import { momentsOp } from "../reduce/moments.ts";
import { sumTo } from "../reduce/sum.ts";
import { reshape } from "../shape/reshape.ts";
import { normSumsOp } from "./norm-sums.ts";
import { rowNormOp, statistic } from "./row-norm.ts";

interface NormalizeAttrs {
  readonly [name: string]: readonly number[];
  /** Axes that mean and rstd were taken over. */
  readonly axes: readonly number[];
}

/**
 * (x - mean) rstd w + b, where mean and rstd are the statistics of x itself: the gradient of x includes that through the
 * statistics, which get none. With xhat = (x - mean) rstd and g = dy w over n elements per statistic:
 * dx = rstd (g - Σ g / n - xhat Σ g xhat / n).
 */
export const normalizeOp: DefinedOp<NormalizeAttrs> = definePointwise<NormalizeAttrs>({
  name: "normalize",
  args: ["x", "mean", "rstd", "w", "b"],
  wgsl: ([x, mean, rstd, w, b]) => `((${x} - ${mean}) * ${rstd}) * ${w} + ${b}`,
  scalar: ([x, mean, rstd, w, b]) => (x! - mean!) * rstd! * w! + b!,
  backward: ({ inputs, grads, needs, attrs: { axes } }) => {
    const [x, mean, rstd, w, b] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const dy = grads[0]!;
    const n = sizeOf(axes.map((axis) => x.shape[axis]!));
    const xhat = () => mul(sub(x, mean), rstd);
    const perStatistic = axes.every((axis) => w.shape[axis] === 1 && b.shape[axis] === 1);
    const overStatistics = (t: Tensor) => normSumsOp.apply([t, x, mean, rstd], { axes }) as [Tensor, Tensor];
    const inputGradient = (g: Tensor, [s, t]: readonly [Tensor, Tensor]) =>
      mul(mul(sub(sub(mul(g, n), s), mul(xhat(), t)), rstd), 1 / n);
    if (perStatistic) {
      const sums = overStatistics(dy);
      return [
        needs[0] ? mul(inputGradient(dy, sums), w) : undefined,
        undefined,
        undefined,
        needs[3] ? sumTo(sums[1], w.shape) : undefined,
        needs[4] ? sumTo(sums[0], b.shape) : undefined,
      ];
    }
    const g = mul(dy, w);
    const others = x.shape.flatMap((d, axis) => (w.shape[axis] === 1 && d > 1 ? [axis] : []));
    const wanted = needs[3] || needs[4];
    const [db, dw] = wanted ? normSumsOp.apply([dy, xhat()], { axes: others }) : [];
    return [needs[0] ? inputGradient(g, overStatistics(g)) : undefined, undefined, undefined, dw, db];
  },
});

export interface NormalizeOptions {
  /** Scale of each channel or element; default 1. */
  readonly weight?: Tensor | undefined;
  /** Added to each channel or element; default 0. */
  readonly bias?: Tensor | undefined;
  /** Added to the variance before the root is taken. Default 1e-5. */
  readonly eps?: number;
}

const NORMALIZE = {
  weight: "tensor",
  bias: "tensor",
  eps: "number",
} as const satisfies OptionKinds<NormalizeOptions>;

/** `t` with `shape` as its last axes, or `value` where there is no `t`. */
function factor(op: string, t: Tensor | undefined, shape: Shape, rank: number, value: number): Tensor {
  if (t === undefined) return fill(new Array<number>(rank).fill(1), value);
  return reshape(sized(op, t, sizeOf(shape)), [...new Array<number>(rank - shape.length).fill(1), ...shape]);
}

/** `t`, if it has `size` values. Throws ShapeError. */
function sized(op: string, t: Tensor, size: number): Tensor {
  expectTensor(op, "each of weight, bias and statistics", t);
  if (t.size !== size) throw shapeError(op, `weight and bias must hold ${size} values`, [t]);
  return t;
}

function normalize(op: string, x: Tensor, axes: readonly number[], shape: Shape, options: NormalizeOptions) {
  const { weight, bias, eps = 1e-5 } = checkNormalize(op, options);
  const [mean, variance, rstd] = momentsOp.apply([x], { axes, eps }, `${op}Moments`);
  const w = factor(op, weight, shape, x.rank, 1);
  // An absent bias gets the weight's shape, so that both belong to the same elements.
  const b = bias === undefined ? fill(w.shape, 0) : factor(op, bias, shape, x.rank, 0);
  const scale = weight === undefined ? fill(b.shape, 1) : w;
  const y = normalizeOp.one([x, mean!, rstd!, scale, b], { axes }, op);
  return { y, mean: mean!, variance: variance! };
}

function checkNormalize(op: string, options: NormalizeOptions): NormalizeOptions {
  const given = checkOptions(op, options, NORMALIZE);
  const { eps = 0 } = given;
  if (!(eps >= 0 && Number.isFinite(eps))) throw new ShapeError(`${op}: eps must be at least 0, got ${eps}`);
  return given;
}

export interface BatchNormResult {
  readonly y: Tensor;
  /** Of the batch, [C]. */
  readonly mean: Tensor;
  /** Of the batch, biased, [C]. */
  readonly variance: Tensor;
}

/**
 * x [N, C, …] normalised per channel to mean 0 and biased variance 1 over the batch, times `weight` [C], plus `bias` [C]:
 * torch.nn.functional.batch_norm in training. Throws ShapeError, also for one value per channel.
 */
export function batchNorm(x: Tensor, options: NormalizeOptions = {}): BatchNormResult {
  const C = channelsOf("batchNorm", x);
  if (x.size === C) throw shapeError("batchNorm", "training needs more than one value per channel", [x]);
  const axes = x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  const perChannel = [C, ...x.shape.slice(2).map(() => 1)];
  const { y, mean, variance } = normalize("batchNorm", x, axes, perChannel, options);
  return { y, mean: reshape(mean, [C]), variance: reshape(variance, [C]) };
}

/** As `batchNorm` with given statistics [C], such as running statistics in evaluation. */
export function batchNormWith(
  x: Tensor,
  mean: Tensor,
  variance: Tensor,
  options: NormalizeOptions = {},
): Tensor {
  const { weight, bias, eps = 1e-5 } = checkOptions("batchNormWith", options, NORMALIZE);
  const shape = [channelsOf("batchNorm", x), ...x.shape.slice(2).map(() => 1)];
  const channels = (t: Tensor) => factor("batchNorm", t, shape, x.rank, 0);
  const standard = mul(sub(x, channels(mean)), channels(rsqrt(add(variance, eps))));
  const scaled = weight === undefined ? standard : mul(standard, channels(weight));
  return bias === undefined ? scaled : add(scaled, channels(bias));
}

function channelsOf(op: string, x: Tensor): number {
  expectTensor(op, "x", x);
  if (x.rank < 2) throw shapeError(op, "needs [N, C, …]", [x]);
  return x.shape[1]!;
}

/**
 * x normalised to mean 0 and biased variance 1 over its last axes, whose sizes are `normalizedShape`, also the shape of weight
 * and bias: torch.nn.functional.layer_norm. Throws ShapeError.
 */
export function layerNorm(
  x: Tensor,
  normalizedShape: number | Shape,
  options: NormalizeOptions = {},
): Tensor {
  return layerNormWithStatistics(x, normalizedShape, options).y;
}

export interface LayerNormResult {
  readonly y: Tensor;
  /** Of each row, of x's shape with 1 for the normalised axes. */
  readonly mean: Tensor;
  /** 1 / √(biased variance + eps) of each row, of the same shape. */
  readonly inverseStd: Tensor;
}

/** `layerNorm` and the statistics that it used: torch.native_layer_norm. Here the statistics have gradients too. */
export function layerNormWithStatistics(
  x: Tensor,
  normalizedShape: number | Shape,
  options: NormalizeOptions = {},
): LayerNormResult {
  const shape = lastAxes("layerNorm", x, normalizedShape);
  const { y, stats } = rowNorm("layerNorm", x, shape, options, 1e-5, true);
  const perRow = x.shape.map((d, axis) => (axis < x.rank - shape.length ? d : 1));
  const [mean, inverseStd] = (["mean", "rstd"] as const).map((s) => reshape(statistic(stats, s), perRow));
  return { y, mean: mean!, inverseStd: inverseStd! };
}

/** x / √(mean of x² + eps) · weight over its last axes: torch.nn.functional.rms_norm; eps defaults to 2⁻²³. */
export function rmsNorm(
  x: Tensor,
  normalizedShape: number | Shape,
  options: Omit<NormalizeOptions, "bias"> = {},
): Tensor {
  const shape = lastAxes("rmsNorm", x, normalizedShape);
  const given = checkOptions("rmsNorm", options, { weight: "tensor", eps: "number" });
  return rowNorm("rmsNorm", x, shape, given, 2 ** -23, false).y;
}

function lastAxes(op: string, x: Tensor, normalizedShape: number | Shape) {
  expectTensor(op, "x", x);
  if (typeof normalizedShape !== "number") expectArray(op, "normalizedShape", normalizedShape);
  const shape = typeof normalizedShape === "number" ? [normalizedShape] : normalizedShape;
  const first = x.rank - shape.length;
  if (first < 0 || shape.length === 0 || shape.some((d, i) => d !== x.shape[first + i])) {
    throw shapeError(op, `the last axes must be ${formatShape(shape)}`, [x]);
  }
  return shape;
}

/** Rows of the size of `shape`, normalised by their own statistics [rows, 2]. */
function rowNorm(
  op: string,
  x: Tensor,
  shape: Shape,
  options: NormalizeOptions,
  defaultEps: number,
  centred: boolean,
): { readonly y: Tensor; readonly stats: Tensor } {
  const { weight, bias, eps = defaultEps } = checkNormalize(op, options);
  const size = sizeOf(shape);
  const perColumn = (t: Tensor | undefined, absent: number) =>
    t === undefined ? fill([1], absent) : sized(op, t, size);
  const inputs = [x, perColumn(weight, 1), perColumn(bias, 0)];
  const [y, stats] = rowNormOp.apply(inputs, { size, eps, centred }, op) as [Tensor, Tensor];
  return { y, stats };
}

/**
 * x [N, C, …] normalised to mean 0 and biased variance 1 per sample and channel, times `weight` [C], plus `bias` [C]:
 * torch.nn.functional.instance_norm without running statistics. Throws ShapeError, also for one value per channel.
 */
export function instanceNorm(x: Tensor, options: NormalizeOptions = {}): Tensor {
  const C = channelsOf("instanceNorm", x);
  const axes = x.shape.flatMap((_, axis) => (axis < 2 ? [] : [axis]));
  if (sizeOf(x.shape.slice(2)) === 1)
    throw shapeError("instanceNorm", "needs [N, C, …] with more than one value per channel", [x]);
  return normalize("instanceNorm", x, axes, [C, ...axes.map(() => 1)], options).y;
}

/**
 * x [N, C, …] normalised to mean 0 and biased variance 1 per sample and group of C / groups channels, times `weight` [C], plus
 * `bias` [C]: torch.nn.functional.group_norm. Throws ShapeError.
 */
export function groupNorm(x: Tensor, groups: number, options: NormalizeOptions = {}): Tensor {
  const C = channelsOf("groupNorm", x);
  const inGroup = C / expectWhole("groupNorm", "groups", groups, 1);
  if (!Number.isInteger(inGroup))
    throw shapeError("groupNorm", `${groups} groups must divide the channels`, [x]);
  const grouped = reshape(x, [x.shape[0]!, groups, inGroup, sizeOf(x.shape.slice(2))]);
  const { y } = normalize("groupNorm", grouped, [2, 3], [groups, inGroup, 1], options);
  return reshape(y, x.shape);
}
