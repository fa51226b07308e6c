/**
 * Normalisation of rows by their own statistics, with its gradients: what layerNorm and rmsNorm are. One dispatch forward and
 * one backward, two where many rows meet a GPU. float32.
 */

import { type DefinedOp, defineOp, shapeError } from "../../graph/op.ts";
import { type Shape, type Spec, sameShape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import {
  ROW_NORM_BACKWARD_VARIANTS,
  ROW_NORM_VARIANTS,
  rowNormBackwardKernels,
  rowNormKernels,
} from "../../kernels/norm/row-norm.ts";
import { add, div, mul, neg, sub } from "../elementwise/arithmetic.ts";
import { fill } from "../elementwise/fill.ts";
import { both } from "../reduce/moments.ts";
import { expand, mean, sum, sumTo } from "../reduce/sum.ts";
import { concat } from "../shape/concat.ts";
import { reshape } from "../shape/reshape.ts";
import { slice } from "../shape/slice.ts";

export interface RowNormAttrs {
  /** Number of values in a row: the last of x, along one axis or several. */
  readonly size: number;
  /** Added to the variance before the root is taken. */
  readonly eps: number;
  /** False: the mean is taken as 0. */
  readonly centred: boolean;
}

const UNSET: Spec = { shape: [1], dtype: "f32" };

/** Number of rows of x. Throws ShapeError unless all are f32 and each of `factors` has one value or one per column. */
function rowsOf(
  op: string,
  size: number,
  inputs: readonly Spec[],
  x: Spec | undefined,
  factors: readonly (Spec | undefined)[],
): number {
  const ROWS = x === undefined ? 0 : sizeOf(x.shape) / size;
  const fits = factors.every((s) => s !== undefined && [1, size].includes(sizeOf(s.shape)));
  if (!Number.isInteger(ROWS) || ROWS < 1 || !fits || inputs.some(({ dtype }) => dtype !== "f32"))
    throw shapeError(op, `needs f32 rows of ${size} values, and weights and biases of such`, inputs);
  return ROWS;
}

/** [ROWS, 1]: the means, or else the reciprocal standard deviations, of `stats` [ROWS, 2]. */
export function statistic(stats: Tensor, which: "mean" | "rstd"): Tensor {
  const column = which === "mean" ? 0 : 1;
  return slice(stats, [0, column], [stats.shape[0]!, column + 1]);
}

/**
 * (x, w, b, r) -> y = (x - mean) rstd w + b, stats [ROWS, 2] = (mean, rstd). w and b hold a value per column, or a single one that
 * is not read: 1 and 0. With r, whose rows x has once or several times, x + r is normalised and is the result `sum`, which is a single
 * unset element otherwise.
 */
export const rowNormOp: DefinedOp<RowNormAttrs> = defineOp({
  name: "rowNorm",
  args: ["x", "w", "b", "r"],
  results: ["y", "stats", "sum"],
  variants: ROW_NORM_VARIANTS,
  plan(inputs, { size, eps, centred }: RowNormAttrs) {
    const [x, w, b, r] = inputs;
    const ROWS = rowsOf("rowNorm", size, inputs, x, [w, b]);
    const R_ROWS = r === undefined ? 1 : sizeOf(r.shape) / size;
    if (!Number.isInteger(ROWS / R_ROWS) || !Number.isInteger(R_ROWS))
      throw shapeError("rowNorm", "x must have the rows of r, once or several times", inputs);
    return {
      outputs: [x!, { shape: [ROWS, 2], dtype: "f32" }, r === undefined ? UNSET : x!],
      constants: {
        ROWS,
        D: size,
        R_ROWS,
        eps,
        CENTRED: centred,
        WEIGHTED: sizeOf(w!.shape) === size,
        BIASED: sizeOf(b!.shape) === size,
        ADDED: r !== undefined,
      },
    };
  },
  cpu({ x, w, b, r, y, stats, sum }, c) {
    const { ROWS, D, R_ROWS, eps, CENTRED, WEIGHTED, BIASED, ADDED } = c;
    for (let n = 0; n < ROWS; n++) {
      const row = Array.from({ length: D }, (_, i) => x[n * D + i]! + (ADDED ? r[(n % R_ROWS) * D + i]! : 0));
      const m = CENTRED ? row.reduce((s, v) => s + v, 0) / D : 0;
      const rstd = 1 / Math.sqrt(row.reduce((s, v) => s + (v - m) ** 2, 0) / D + eps);
      row.forEach((v, i) => {
        y[n * D + i] = (v - m) * rstd * (WEIGHTED ? w[i]! : 1) + (BIASED ? b[i]! : 0);
        if (ADDED) sum[n * D + i] = v;
      });
      stats[2 * n] = m;
      stats[2 * n + 1] = rstd;
    }
  },
  kernels: rowNormKernels,
  // Gradients are taken before fusion, so there is no r.
  backward({ inputs, outputs, grads: [dy, dstats], needs, attrs: { size, centred } }) {
    const [x, w, b, r] = inputs as [Tensor, Tensor, Tensor, Tensor?];
    if (r !== undefined) return [];
    const stats = outputs[1]!;
    const [needsX = false, needsW = false, needsB = false] = needs;
    const wanted = { size, centred, needsX, needsW, needsB };
    const [dx, dw, db] = dy === undefined ? [] : rowNormBackwardOp.apply([dy, x, stats, w], wanted);
    const through = needsX && dstats ? statisticsGradient(x, stats, dstats, size, centred) : undefined;
    return [
      both(needsX ? dx : undefined, through),
      needsW ? dw && shaped(dw, w.shape) : undefined,
      needsB ? db && shaped(db, b.shape) : undefined,
    ];
  },
});

const shaped = (t: Tensor, shape: Shape) => (sameShape(t.shape, shape) ? t : reshape(t, shape));

/** Gradient of x through the statistics: (dmean - drstd rstd³ (x - mean)) / size. */
function statisticsGradient(x: Tensor, stats: Tensor, d: Tensor, size: number, centred: boolean): Tensor {
  const rows = reshape(x, [stats.shape[0]!, size]);
  const rstd = statistic(stats, "rstd");
  const cube = mul(mul(rstd, rstd), rstd);
  const scaled = mul(sub(rows, statistic(stats, "mean")), mul(mul(cube, statistic(d, "rstd")), -1 / size));
  return reshape(centred ? add(scaled, mul(statistic(d, "mean"), 1 / size)) : scaled, x.shape);
}

export interface RowNormBackwardAttrs extends Omit<RowNormAttrs, "eps"> {
  readonly needsX: boolean;
  readonly needsW: boolean;
  readonly needsB: boolean;
}

/**
 * (dy, x, stats, w, other) -> dx, dw, db of `rowNormOp`; those not needed are single unset elements. `other`, if given, is added to
 * dx. With g = dy w and xhat = (x - mean) rstd: dx = rstd (g - mean of g - xhat mean of g xhat) over each row.
 */
export const rowNormBackwardOp: DefinedOp<RowNormBackwardAttrs> = defineOp({
  name: "rowNormBackward",
  args: ["dy", "x", "stats", "w", "other"],
  results: ["dx", "dw", "db"],
  variants: ROW_NORM_BACKWARD_VARIANTS,
  plan(inputs, { size, centred, needsX, needsW, needsB }: RowNormBackwardAttrs) {
    const [dy, x, stats, w, other] = inputs;
    const ROWS = rowsOf("rowNormBackward", size, inputs, x, [w]);
    if (!dy || !sameShape(dy.shape, x!.shape) || !stats || !sameShape(stats.shape, [ROWS, 2]))
      throw shapeError("rowNormBackward", "dy must be like x, stats have two values per row", inputs);
    if (other !== undefined && !sameShape(other.shape, x!.shape))
      throw shapeError("rowNormBackward", "the gradient to add must be like x", inputs);
    const spec = (needed: boolean, shape: Shape): Spec => (needed ? { shape, dtype: "f32" } : UNSET);
    return {
      outputs: [spec(needsX, x!.shape), spec(needsW, [size]), spec(needsB, [size])],
      constants: {
        ROWS,
        D: size,
        CENTRED: centred,
        WEIGHTED: sizeOf(w!.shape) === size,
        OTHER: other !== undefined,
        needsX,
        needsW,
        needsB,
      },
    };
  },
  cpu({ dy, x, stats, w, other, dx, dw, db }, c) {
    const { ROWS, D, CENTRED, WEIGHTED, OTHER, needsX, needsW, needsB } = c;
    const [sumsW, sumsB] = [new Float64Array(D), new Float64Array(D)];
    for (let n = 0; n < ROWS; n++) {
      const [m, rstd] = [stats[2 * n]!, stats[2 * n + 1]!];
      const xhat = (i: number) => (x[n * D + i]! - m) * rstd;
      const g = (i: number) => dy[n * D + i]! * (WEIGHTED ? w[i]! : 1);
      let [plain, weighted] = [0, 0];
      for (let i = 0; i < D; i++) {
        plain += g(i);
        weighted += g(i) * xhat(i);
        sumsW[i]! += dy[n * D + i]! * xhat(i);
        sumsB[i]! += dy[n * D + i]!;
      }
      if (!CENTRED) plain = 0;
      for (let i = 0; needsX && i < D; i++) {
        dx[n * D + i] =
          (g(i) - plain / D - (xhat(i) * weighted) / D) * rstd + (OTHER ? other[n * D + i]! : 0);
      }
    }
    if (needsW) dw.set(sumsW);
    if (needsB) db.set(sumsB);
  },
  kernels: rowNormBackwardKernels,
  // u, p and q are the gradients of dx, dw and db; dx is self-adjoint in g. With means over rows and
  // e = p dy - rstd (u mean of g xhat + g mean of u xhat), which is the gradient of xhat for a given rstd, the gradients are
  // dy: w dx(u) + p xhat + q   x: e rstd   mean: -sum of e rstd   rstd: sum of e (x - mean) + g dx(u) / rstd   w: sum of dy dx(u)
  backward({ inputs, grads: [u, p, q], needs, attrs }) {
    const [dyGiven, xGiven, stats, wGiven, other] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor?];
    if (other !== undefined) return [];
    const { size } = attrs;
    const rows = (t: Tensor) => reshape(t, [stats.shape[0]!, size]);
    const columns = (t: Tensor) => reshape(t, [1, t.size]);
    const [dy, x, w] = [rows(dyGiven), rows(xGiven), columns(wGiven)];
    const [m, rstd] = [statistic(stats, "mean"), statistic(stats, "rstd")];
    const centredX = sub(x, m);
    const xhat = mul(centredX, rstd);
    const g = mul(dy, w);
    const over = { axes: 1, keepDims: true } as const;
    const weighted = (t: Tensor, by: Tensor) => mul(mul(t, rstd), mean(mul(by, xhat), over));
    const only = { ...attrs, needsX: true, needsW: false, needsB: false };
    const dxOfU = u && rowNormBackwardOp.one([rows(u), x, stats, fill([1], 1)], only);
    const throughDx = u && neg(add(weighted(rows(u), g), weighted(g, rows(u))));
    const e = both(throughDx, p && mul(dy, columns(p)));
    const dx = e && mul(e, rstd);
    const dRstd = both(e && mul(e, centredX), dxOfU && div(mul(g, dxOfU), rstd));
    const ddy = both(
      both(dxOfU && mul(dxOfU, w), p && mul(xhat, columns(p))),
      q && expand(columns(q), dy.shape),
    );
    return [
      ddy && reshape(ddy, dyGiven.shape),
      dx && reshape(dx, xGiven.shape),
      dx && dRstd && concat([neg(sum(dx, over)), sum(dRstd, over)], 1),
      needs[3] && dxOfU ? reshape(sumTo(mul(dy, dxOfU), [1, size]), wGiven.shape) : undefined,
    ];
  },
});
