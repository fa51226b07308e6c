/** Negative logarithms of likelihoods: of counts (Poisson) and of values with a predicted variance (normal distribution). */

import { expectTensor, shapeError } from "../../graph/op.ts";
import { sameShape } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { ValueError } from "../../validation/errors.ts";
import { checkOptions } from "../../validation/options.ts";
import { add, div, mul, square, sub } from "../elementwise/arithmetic.ts";
import { gt, lt, maximum, where } from "../elementwise/compare.ts";
import { detach } from "../elementwise/detach.ts";
import { exp, log } from "../elementwise/math.ts";
import { expand } from "../reduce/sum.ts";
import { reshape } from "../shape/reshape.ts";
import { elementLoss, expectAlike, LOSS, type LossOptions, sampleLoss } from "./loss-reduction.ts";

export interface PoissonNllOptions extends LossOptions {
  /** Whether x is the logarithm of the rate. Default true. */
  readonly logInput?: boolean;
  /** Adds Stirling's approximation of log(target!), for targets above 1. Default false. */
  readonly full?: boolean;
  /** Added to the rate in its logarithm, without `logInput`. Default 1e-8. */
  readonly eps?: number;
}

/**
 * exp(x) - target x, or without `logInput` x - target log(x + eps), of one shape [N, …]: reduced as `l1`.
 * torch.nn.functional.poisson_nll_loss.
 */
export function poissonNll(x: Tensor, target: Tensor, options: PoissonNllOptions = {}): Tensor {
  const kinds = { ...LOSS, logInput: "boolean", full: "boolean", eps: "number" } as const;
  const { logInput = true, full = false, eps = 1e-8, ...rest } = checkOptions("poissonNll", options, kinds);
  checkEps("poissonNll", eps);
  return elementLoss("poissonNll", x, target, rest, (a, t) => {
    const items = logInput ? sub(exp(a), mul(t, a)) : sub(a, mul(t, log(add(a, eps))));
    if (!full) return items;
    const counts = gt(t, 1);
    const t1 = where(counts, t, 1);
    const stirling = add(sub(mul(t1, log(t1)), t1), mul(log(mul(t1, 2 * Math.PI)), 0.5));
    return add(items, where(counts, stirling, 0));
  });
}

export interface GaussianNllOptions extends LossOptions {
  /** Adds the constant log(2 π) / 2. Default false. */
  readonly full?: boolean;
  /** Smaller variances are replaced by it; their gradient is that at eps. Default 1e-6. */
  readonly eps?: number;
}

/**
 * (log variance + (x - target)² / variance) / 2 of x and target of one shape [N, …]. `variance` has that shape, or 1 for its last
 * axis, or lacks it. A variance below 0 gives NaN (PyTorch throws, which a GPU can't). Reduced as `l1`.
 * torch.nn.functional.gaussian_nll_loss. Throws ShapeError, ValueError.
 */
export function gaussianNll(
  x: Tensor,
  target: Tensor,
  variance: Tensor,
  options: GaussianNllOptions = {},
): Tensor {
  const who = "gaussianNll";
  const kinds = { ...LOSS, full: "boolean", eps: "number" } as const;
  const { full = false, eps = 1e-6, ...others } = checkOptions(who, options, kinds);
  checkEps(who, eps);
  expectAlike(who, { x, target });
  expectTensor(who, "variance", variance);
  const perRow = [...x.shape.slice(0, -1), 1];
  const column = sameShape(variance.shape, x.shape.slice(0, -1)) ? reshape(variance, perRow) : variance;
  const fits = sameShape(column.shape, x.shape) || sameShape(column.shape, perRow);
  if (!fits || variance.dtype !== "f32")
    throw shapeError(who, "variance must be f32 of the shape of x, of 1 for its last axis, or without it", [
      x,
      variance,
    ]);
  return sampleLoss(who, [x, target, column] as const, others, (a, t, v) => {
    const limited = where(lt(v, 0), log(v), maximum(v, eps));
    const used = add(v, detach(sub(limited, v)));
    const items = mul(add(log(used), div(square(sub(a, t)), used)), 0.5);
    const all = sameShape(items.shape, a.shape) ? items : expand(items, a.shape);
    return full ? add(all, Math.log(2 * Math.PI) / 2) : all;
  });
}

function checkEps(who: string, eps: number): void {
  if (!(eps > 0 && Number.isFinite(eps))) throw new ValueError(`${who}: eps must be above 0, got ${eps}`);
}
