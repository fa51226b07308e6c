/**
 * Mean, variance and reciprocal standard deviation over any axes in one dispatch: what batchNorm, groupNorm and instanceNorm are
 * made of. float32.
 */

import {
  type ReductionGeometry,
  reducedSpec,
  reductionGeometry,
  reductionIndex,
} from "../../geometry/reduction.ts";
import { type DefinedOp, defineOp, shapeError } from "../../graph/op.ts";
import { type Spec, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { momentsKernels } from "../../kernels/reduce/moments.ts";
import { ROW_VARIANTS } from "../../kernels/reduce/rows.ts";
import { add, mul, sub } from "../elementwise/arithmetic.ts";
import { expand } from "./sum.ts";

export interface MomentsAttrs {
  /** Axes over which statistics are taken, ascending. */
  readonly axes: readonly number[];
  /** Added to the variance before the root is taken. */
  readonly eps: number;
}

/** Outputs and constants of ops that compute moments; throws ShapeError naming `op`. */
export function momentsPlan(op: string, x: Spec | undefined, { axes, eps }: MomentsAttrs) {
  if (x?.dtype !== "f32") throw shapeError(op, "input must be f32", x ? [x] : []);
  const one = reducedSpec(x, axes);
  return {
    outputs: [one, one, one],
    constants: { ...reductionGeometry(op, x, axes), eps },
  };
}

/** (x) -> mean, variance (biased), rstd; reduced axes stay as 1. */
export const momentsOp: DefinedOp<MomentsAttrs> = defineOp({
  name: "moments",
  args: ["x"],
  results: ["mean", "variance", "rstd"],
  variants: ROW_VARIANTS,
  plan: ([x], attrs: MomentsAttrs) => momentsPlan("moments", x, attrs),
  cpu({ x, mean, variance, rstd }, g) {
    const { KEPT, REDUCED, eps } = g as ReductionGeometry & { eps: number };
    for (let k = 0; k < KEPT; k++) {
      let m = 0;
      for (let r = 0; r < REDUCED; r++) m += x[reductionIndex(g, k, r)]! / REDUCED;
      let v = 0;
      for (let r = 0; r < REDUCED; r++) v += (x[reductionIndex(g, k, r)]! - m) ** 2 / REDUCED;
      mean[k] = m;
      variance[k] = v;
      rstd[k] = 1 / Math.sqrt(v + eps);
    }
  },
  kernels: momentsKernels,
  // dx = (dmean + (2 dvariance - drstd rstd³) (x - mean)) / n
  backward: ({ inputs: [x], outputs: [mean, , rstd], grads: [dmean, dvariance, drstd], attrs }) => {
    const n = sizeOf(attrs.axes.map((axis) => x!.shape[axis]!));
    const throughRstd = drstd && mul(mul(drstd, mul(mul(rstd!, rstd!), rstd!)), -1);
    const squares = both(dvariance && mul(dvariance, 2), throughRstd);
    const throughSquares = squares && mul(sub(x!, mean!), mul(squares, 1 / n));
    const throughMean = dmean ? mul(expand(dmean, x!.shape), 1 / n) : undefined;
    return [both(throughMean, throughSquares)];
  },
});

/** a + b, or the one that is defined. */
export function both(a: Tensor | undefined, b: Tensor | undefined): Tensor | undefined {
  return a !== undefined && b !== undefined ? add(a, b) : (a ?? b);
}
