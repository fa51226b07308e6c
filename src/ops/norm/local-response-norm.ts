/** Local response normalisation (Krizhevsky et al., 2012): each element divided by its neighbours in other channels. */

import { expectTensor, expectWhole, shapeError } from "../../graph/op.ts";
import { sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { ValueError } from "../../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import { add, mul, square } from "../elementwise/arithmetic.ts";
import { pow } from "../elementwise/math.ts";
import { avgPoolOf } from "../pool/pool.ts";
import { reshape } from "../shape/reshape.ts";

export interface LocalResponseNormOptions {
  /** Factor of the mean of squares. Default 1e-4. */
  readonly alpha?: number;
  /** Power of the divisor. Default 0.75. */
  readonly beta?: number;
  /** Added to the divisor before its power is taken. Default 1. */
  readonly k?: number;
}

export const LOCAL_RESPONSE = {
  alpha: "number",
  beta: "number",
  k: "number",
} as const satisfies OptionKinds<LocalResponseNormOptions>;

/**
 * x / (k + alpha m)^beta of x f32 [N, C, …]: m is the mean of x² over `size` channels, from size/2 (rounded down) before its own
 * on, where channels that do not exist count as 0. torch.nn.functional.local_response_norm. Throws ShapeError on a tensor of
 * less than three axes, ValueError on options that are not finite.
 */
export function localResponseNorm(x: Tensor, size: number, options: LocalResponseNormOptions = {}): Tensor {
  const op = "localResponseNorm";
  expectTensor(op, "x", x);
  if (x.rank < 3) throw shapeError(op, "needs [N, C, …] of rank 3 or more", [x]);
  const { alpha = 1e-4, beta = 0.75, k = 1 } = checkOptions(op, options, LOCAL_RESPONSE);
  for (const [name, value] of Object.entries({ alpha, beta, k }))
    if (!Number.isFinite(value)) throw new ValueError(`${op}: ${name} must be finite, got ${value}`);
  expectWhole(op, "size", size, 1);
  const [N, C] = x.shape as readonly [number, number];
  // The channels as rows of an image.
  const squares = reshape(square(x), [N, 1, C, sizeOf(x.shape.slice(2))]);
  const [before, after] = [Math.floor(size / 2), Math.floor((size - 1) / 2)];
  const means = avgPoolOf(op, squares, [size, 1], { stride: 1, padding: [before, 0, after, 0] });
  return mul(x, pow(add(mul(reshape(means, x.shape), alpha), k), -beta));
}
