/**
 * Reductions over any axes beside sums: max, min and prod as ops, of any dtype; variance, std and logSumExp composed of other
 * ops, float32. Defaults and special cases as in PyTorch (amax, amin, prod, var, std, logsumexp).
 */

import { normalizeAxes } from "../../geometry/axis.ts";
import { reducedSpec, reductionGeometry, reductionIndex } from "../../geometry/reduction.ts";
import { type DefinedOp, defineOp, expectFloats, expectTensor } from "../../graph/op.ts";
import { type DType, sizeOf } from "../../graph/spec.ts";
import type { BackwardContext, Tensor } from "../../graph/tensor.ts";
import { KINDS, reduceKernels } from "../../kernels/reduce/reduce.ts";
import { ValueError } from "../../validation/errors.ts";
import { checkOptions } from "../../validation/options.ts";
import { add, div, mul, product, sub } from "../elementwise/arithmetic.ts";
import { eq, le, ne, where } from "../elementwise/compare.ts";
import { detach } from "../elementwise/detach.ts";
import { fill } from "../elementwise/fill.ts";
import { abs, exp, log, sqrt } from "../elementwise/math.ts";
import { momentsOp } from "./moments.ts";
import { dropAxes, REDUCE, type ReduceOptions, sum } from "./sum.ts";

interface Attrs {
  /** Axes that are reduced, ascending. */
  readonly axes: readonly number[];
}

type Backward = (context: BackwardContext<Attrs>) => readonly (Tensor | undefined)[];

/** An op whose result keeps reduced axes as 1. */
function define(
  name: "max" | "min" | "prod",
  merge: (a: number, v: number, dtype: DType) => number,
  backward: Backward,
): DefinedOp<Attrs> {
  return defineOp({
    name,
    args: ["x"],
    results: ["y"],
    plan([x], { axes }: Attrs) {
      const { dtype } = x!;
      return {
        outputs: [reducedSpec(x!, axes)],
        constants: { ...reductionGeometry(name, x!, axes), KIND: KINDS[name], dtype },
      };
    },
    cpu({ x, y }, g) {
      for (let k = 0; k < g.KEPT; k++) {
        let result = x[reductionIndex(g, k, 0)]!;
        for (let r = 1; r < g.REDUCED; r++) result = merge(result, x[reductionIndex(g, k, r)]!, g.dtype);
        y[k] = result;
      }
    },
    kernels: (g) => reduceKernels(g, g.dtype, g.KIND),
    backward,
  });
}

/** Equal winners share the gradient. */
const toWinners: Backward = ({ inputs: [x], outputs: [y], grads: [dy], attrs: { axes } }) => {
  const wins = eq(x!, y!);
  return [mul(wins, div(dy!, sum(wins, { axes, keepDims: true })))];
};

export const maxOp: DefinedOp<Attrs> = define("max", (a, v) => Math.max(a, v), toWinners);
export const minOp: DefinedOp<Attrs> = define("min", (a, v) => Math.min(a, v), toWinners);

export const prodOp: DefinedOp<Attrs> = define(
  "prod",
  product,
  ({ inputs: [x], grads: [dy], attrs: { axes } }) => {
    // The product of the other elements. Zeros, infinities and NaN can't be divided out, so they are multiplied separately.
    const ordinary = mul(ne(x!, 0), le(abs(x!), 3.4028234663852886e38));
    const others = where(ordinary, x!, 1);
    const product = mul(prodOp.one([others], { axes }), dy!);
    const special = prodOp.one([where(ordinary, 1, x!)], { axes });
    const single = eq(sum(ordinary, { axes, keepDims: true }), sizeOf(axes.map((a) => x!.shape[a]!)) - 1);
    return [mul(product, where(ordinary, div(special, others), where(single, 1, special)))];
  },
);

function apply(name: string, op: DefinedOp<Attrs>, x: Tensor, given: ReduceOptions): Tensor {
  expectTensor(name, "x", x);
  const options = checkOptions(name, given, REDUCE);
  const axes = normalizeAxes(name, x.rank, options.axes);
  return kept(op.one([x], { axes }), axes, options.keepDims);
}

/** `y`, whose reduced axes are 1, with or without these. */
function kept(y: Tensor, axes: readonly number[], keepDims = false): Tensor {
  return keepDims ? y : dropAxes(y, axes);
}

/** The largest element over `axes` (default all), of any dtype. NaN wins. Equals share the gradient (torch.amax). */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  return apply("max", maxOp, x, options);
}

/** The smallest element over `axes` (default all), of any dtype. NaN wins. Equals share the gradient (torch.amin). */
export function min(x: Tensor, options: ReduceOptions = {}): Tensor {
  return apply("min", minOp, x, options);
}

/**
 * The product over `axes` (default all), of any dtype; integers wrap around. The gradient is right also where elements are 0, NaN or infinite, but NaN where both 0
 * and infinity are multiplied; the second derivative is right only where no element is any of these.
 */
export function prod(x: Tensor, options: ReduceOptions = {}): Tensor {
  return apply("prod", prodOp, x, options);
}

export interface VarianceOptions extends ReduceOptions {
  /** Subtracted from the number of elements: 1 (default) for the unbiased variance, 0 for the mean of the squares. */
  readonly correction?: number;
}

/**
 * Σ (x - mean)² / max(0, n - correction) over `axes` (default all): torch.var. One value with correction 1 has the
 * variance 0 / 0 = NaN. Throws ValueError on a correction that is not finite.
 */
export function variance(x: Tensor, options: VarianceOptions = {}): Tensor {
  return varianceOf("variance", x, options);
}

function varianceOf(who: string, x: Tensor, options: VarianceOptions): Tensor {
  expectTensor(who, "x", x);
  expectFloats(who, x);
  const given = checkOptions(who, options, { ...REDUCE, correction: "any" });
  const { correction = 1, keepDims } = given;
  if (!Number.isFinite(correction)) {
    throw new ValueError(`${who}: correction must be a finite number, got ${correction}`);
  }
  const axes = normalizeAxes(who, x.rank, given.axes);
  const n = sizeOf(axes.map((axis) => x.shape[axis] as number));
  const free = Math.max(0, n - correction);
  // Not composed of ops: in their gradient a number is subtracted from itself, which a driver takes for 0, be it NaN.
  const biased = momentsOp.apply([x], { axes, eps: 0 }, who)[1]!;
  // Not a division by 0: of a literal 0 a compiler may make what it likes.
  const factor = free === 0 ? fill([], Number.POSITIVE_INFINITY) : n / free;
  return kept(mul(biased, factor), axes, keepDims);
}

/** The root of the variance: torch.std. Where that is 0, the gradient is 0. */
export function std(x: Tensor, options: VarianceOptions = {}): Tensor {
  return rootOrZero(varianceOf("std", x, options));
}

/** √x with a derivative of 0 at 0, as PyTorch has it in std and norm. */
export function rootOrZero(x: Tensor): Tensor {
  const zero = eq(x, 0);
  return where(zero, 0, sqrt(where(zero, 1, x)));
}

/**
 * log Σ exp(x) over `axes` (default all), the maximum subtracted first: torch.logsumexp. An infinite
 * maximum is the result, and then the gradient is 0; NaN stays NaN.
 */
export function logSumExp(x: Tensor, options: ReduceOptions = {}): Tensor {
  expectTensor("logSumExp", "x", x);
  expectFloats("logSumExp", x);
  const { axes: given, keepDims } = checkOptions("logSumExp", options, REDUCE);
  const axes = normalizeAxes("logSumExp", x.rank, given);
  // The result does not depend on what is subtracted, so no gradient flows through it.
  const m = detach(max(x, { axes, keepDims: true }));
  const infinite = eq(abs(m), Number.POSITIVE_INFINITY);
  // Infinite elements are replaced before anything is computed, or the gradient would be 0 · Infinity.
  const shifted = where(infinite, 0, sub(x, where(infinite, 0, m)));
  const s = sum(exp(shifted), { axes, keepDims: true });
  return kept(where(infinite, m, add(log(s), m)), axes, keepDims);
}
