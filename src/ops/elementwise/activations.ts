/**
 * Activations composed of other ops; element-wise ops fuse, so each is one kernel all the same. Formulas and defaults as in
 * PyTorch. Those that other kernels can apply to their results are in relu-sigmoid-tanh.ts and gelu-silu.ts.
 */

import { expectFloats, expectTensor } from "../../graph/op.ts";
import { formatShape } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { mathFunctions, specialFunctions } from "../../kernels/elementwise/wgsl-functions.ts";
import { ShapeError, ValueError } from "../../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import { reshape } from "../shape/reshape.ts";
import { add, div, mul, neg } from "./arithmetic.ts";
import { ge, gt, le, where } from "./compare.ts";
import { geluOp, geluTanhOp, siluOp } from "./gelu-silu.ts";
import { abs, expm1 } from "./math.ts";
import { definePointwise } from "./pointwise.ts";
import { sigmoid, tanh } from "./relu-sigmoid-tanh.ts";

/** log(1 + eˣ): an op of its own, since composed of |x| and relu it would have the wrong derivative at 0. */
export const softplusOp = definePointwise<Record<string, never>>({
  name: "softplus",
  args: ["x"],
  functions: [specialFunctions, mathFunctions],
  wgsl: ([x]) => `reluOf(${x}) + log1pOf(expOf(-abs(${x})))`,
  scalar: ([x]) => Math.max(x!, 0) + Math.log1p(Math.exp(-Math.abs(x!))),
  backward: ({ inputs: [x], grads: [dy] }) => [mul(dy!, sigmoid(x!))],
});

/** x, or negativeSlope · x below 0. */
export function leakyRelu(x: Tensor, negativeSlope = 0.01): Tensor {
  return where(gt(x, 0), x, mul(x, negativeSlope));
}

/** x, or weight · x below 0. `weight` is a scalar [1] or one value per channel, which is axis 1 of x. */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  expectTensor("prelu", "x", x);
  expectTensor("prelu", "weight", weight);
  const channels = x.shape[1] ?? 1;
  if (weight.rank > 1 || (weight.size !== 1 && weight.size !== channels)) {
    throw new ShapeError(
      `prelu: weight must hold 1 value or one per channel (${channels}), got ${formatShape(weight.shape)}`,
    );
  }
  const perChannel =
    weight.size === 1 ? reshape(weight, []) : reshape(weight, [channels, ...x.shape.slice(2).map(() => 1)]);
  return where(gt(x, 0), x, mul(x, perChannel));
}

/** x, or alpha (eˣ - 1) below 0 (Clevert, Unterthiner, Hochreiter, 2015). */
export function elu(x: Tensor, alpha = 1): Tensor {
  const positive = gt(x, 0);
  // The branch not taken must stay finite, or its gradient of 0 · Infinity would be NaN.
  return where(positive, x, mul(expm1(where(positive, 0, x)), alpha));
}

/** x, or alpha (exp(x / alpha) - 1) below 0: elu with a derivative of 1 at 0 (Barron, 2017). Throws ValueError unless alpha > 0. */
export function celu(x: Tensor, alpha = 1): Tensor {
  if (!(alpha > 0)) throw new ValueError(`celu: alpha must be above 0, got ${alpha}`);
  const positive = gt(x, 0);
  return where(positive, x, mul(expm1(where(positive, 0, mul(x, 1 / alpha))), alpha));
}

/** elu scaled so that activations keep mean 0 and variance 1 through the layers (Klambauer et al., 2017). */
export function selu(x: Tensor): Tensor {
  return mul(elu(x, 1.6732632423543772), 1.0507009873554805);
}

export interface GeluOptions {
  /** `"none"` (default): with the error function. `"tanh"`: the common approximation. */
  readonly approximate?: "none" | "tanh";
}

export const GELU = { approximate: ["none", "tanh"] } as const satisfies OptionKinds<GeluOptions>;

/** x Φ(x), Φ the normal distribution function (Hendrycks and Gimpel, 2016). */
export function gelu(x: Tensor, options: GeluOptions = {}): Tensor {
  const { approximate = "none" } = checkOptions("gelu", options, GELU);
  return (approximate === "none" ? geluOp : geluTanhOp).one([x], {});
}

/** x · sigmoid(x), also called swish. */
export function silu(x: Tensor): Tensor {
  return siluOp.one([x], {});
}

export interface SoftplusOptions {
  /** Default 1. */
  readonly beta?: number;
  /** The result is x where beta · x is above it. Default 20. */
  readonly threshold?: number;
}

export const SOFTPLUS = {
  beta: "number",
  threshold: "number",
} as const satisfies OptionKinds<SoftplusOptions>;

/** log(1 + exp(beta x)) / beta, without overflow. */
export function softplus(x: Tensor, options: SoftplusOptions = {}): Tensor {
  const { beta = 1, threshold = 20 } = checkOptions("softplus", options, SOFTPLUS);
  if (!(beta > 0)) throw new ValueError(`softplus: beta must be above 0, got ${beta}`);
  const scaled = mul(x, beta);
  return where(gt(scaled, threshold), x, mul(softplusOp.one([scaled], {}), 1 / beta));
}

/** x · tanh(softplus(x)) (Misra, 2019). */
export function mish(x: Tensor): Tensor {
  return mul(x, tanh(softplus(x)));
}

/** x limited to [low, high]; NaN stays NaN. The derivative is 0 at and outside the limits. */
export function hardtanh(x: Tensor, low = -1, high = 1): Tensor {
  return where(le(x, low), low, where(ge(x, high), high, x));
}

/** x/6 + 1/2 limited to [0, 1]. */
export function hardSigmoid(x: Tensor): Tensor {
  return hardtanh(add(mul(x, 1 / 6), 0.5), 0, 1);
}

/** x limited to [0, 6]; the derivative is 0 at and outside the limits. */
export function relu6(x: Tensor): Tensor {
  return hardtanh(x, 0, 6);
}

/** x · hardSigmoid(x) (Howard et al., 2019). The derivative is 0 at -3 and 1 at 3. */
export function hardSwish(x: Tensor): Tensor {
  return mul(x, hardSigmoid(x));
}

/** log(sigmoid(x)), without overflow. */
export function logSigmoid(x: Tensor): Tensor {
  return neg(softplusOp.one([neg(x)], {}));
}

/** x / (1 + |x|); NaN at ±Infinity, as in PyTorch. */
export function softsign(x: Tensor): Tensor {
  expectTensor("softsign", "x", x);
  expectFloats("softsign", x);
  return div(x, add(abs(x), 1));
}

/** x where it is above `threshold`, else `value`; NaN stays NaN. The derivative is 0 where `value` is. */
export function threshold(x: Tensor, threshold: number, value: number): Tensor {
  return where(le(x, threshold), value, x);
}

/** x itself. */
export function identity(x: Tensor): Tensor {
  return x;
}
