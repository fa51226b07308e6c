/**
 * Element-wise mathematical functions as in PyTorch, float32 (abs, sign and clamp any dtype): values outside a function's domain give
 * NaN, poles give infinities. Their gradients are composed of ops, so they can be differentiated again.
 */

import type { DefinedOp } from "../../graph/op.ts";
import { expectTensor } from "../../graph/op.ts";
import type { BackwardContext, Tensor } from "../../graph/tensor.ts";
import { literal } from "../../kernels/elementwise/group.ts";
import { mathFunctions, specialFunctions } from "../../kernels/elementwise/wgsl-functions.ts";
import { erfOf, powOf, roundOf } from "../../numbers/math-scalar.ts";
import { ValueError } from "../../validation/errors.ts";
import { sumTo } from "../reduce/sum.ts";
import { add, div, mul, neg } from "./arithmetic.ts";
import { eq, ge, le, where } from "./compare.ts";
import { expectNumber, same, wrapped } from "./dtypes.ts";
import { definePointwise } from "./pointwise.ts";

const functions = [specialFunctions, mathFunctions];

type None = Record<string, never>;
type Gradient = (context: { x: Tensor; y: Tensor; dy: Tensor }) => Tensor | undefined;

/** A function of one variable: name in WGSL, function on numbers, and dx from x, y and dy. */
// @__NO_SIDE_EFFECTS__
function unary(name: string, wgsl: string, scalar: (x: number) => number, gradient: Gradient) {
  return definePointwise<None>({
    name,
    args: ["x"],
    functions,
    wgsl: ([x]) => `${wgsl}(${x})`,
    scalar: ([x]) => scalar(x as number),
    backward: ({ inputs: [x], outputs: [y], grads: [dy] }: BackwardContext<None>) => [
      gradient({ x: x!, y: y!, dy: dy! }),
    ],
  });
}

/** Of step functions. */
const noGradient: Gradient = () => undefined;
const rsqrtOf = (x: number) => 1 / Math.sqrt(x);
const erfGradient: Gradient = ({ x, dy }) => mul(dy, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)));

export const absOp = definePointwise<None>({
  name: "abs",
  args: ["x"],
  functions,
  dtype: same,
  wgsl: ([x]) => `abs(${x})`,
  scalar: ([x], _, [dtype]) => wrapped(Math.abs(x!), dtype),
  backward: ({ inputs: [x], grads: [dy] }) => [mul(dy!, sign(x!))],
});

export const signOp = definePointwise<None>({
  name: "sign",
  args: ["x"],
  functions,
  dtype: same,
  wgsl: ([x], _, [dtype]) => ({ f32: `signOf(${x})`, i32: `sign(${x})`, u32: `min(${x}, 1u)` })[dtype!],
  scalar: ([x]) => Math.sign(x!),
  backward: () => [undefined],
});

export const expOp = unary("exp", "expOf", Math.exp, ({ y, dy }) => mul(dy, y));
// Not dy (y + 1): far below 0, y + 1 is 0.
export const expm1Op = unary("expm1", "expm1Of", Math.expm1, ({ x, dy }) => mul(dy, exp(x)));
export const logOp = unary("log", "logOf", Math.log, ({ x, dy }) => div(dy, x));
export const log1pOp = unary("log1p", "log1pOf", Math.log1p, ({ x, dy }) => div(dy, add(x, 1)));
export const sqrtOp = unary("sqrt", "sqrtOf", Math.sqrt, ({ y, dy }) => div(dy, mul(y, 2)));
export const rsqrtOp = unary("rsqrt", "rsqrtOf", rsqrtOf, ({ y, dy }) =>
  mul(dy, mul(mul(mul(y, y), y), -0.5)),
);
export const sinOp = unary("sin", "sinOf", Math.sin, ({ x, dy }) => mul(dy, cos(x)));
export const cosOp = unary("cos", "cosOf", Math.cos, ({ x, dy }) => neg(mul(dy, sin(x))));
export const erfOp = unary("erf", "erfOf", erfOf, erfGradient);
export const floorOp = unary("floor", "floorOf", Math.floor, noGradient);
export const ceilOp = unary("ceil", "ceilOf", Math.ceil, noGradient);
export const roundOp = unary("round", "roundOf", roundOf, noGradient);

export const powOp: DefinedOp<None> = definePointwise<None>({
  name: "pow",
  args: ["a", "b"],
  functions,
  wgsl: ([a, b]) => `powOf(${a}, ${b})`,
  scalar: ([a, b]) => powOf(a!, b!),
  backward: ({ inputs: [a, b], outputs: [y], grads: [dy], needs }) => [
    // With an exponent of 0 the power is constant in the base: 0 · 0⁻¹ would be NaN.
    needs[0]
      ? sumTo(where(eq(b!, 0), 0, mul(dy!, mul(b!, powOp.one([a!, add(b!, -1)], {})))), a!.shape)
      : undefined,
    needs[1] ? sumTo(exponentGradient(a!, b!, y!, dy!), b!.shape) : undefined,
  ],
});

/** dy y log a. At a base of 0 the power is constant in the exponent unless that is negative: 0 · log 0 would be NaN. */
function exponentGradient(a: Tensor, b: Tensor, y: Tensor, dy: Tensor): Tensor {
  const isConstant = mul(eq(a, 0), ge(b, 0));
  return where(isConstant, 0, mul(dy, mul(y, log(where(isConstant, 1, a)))));
}

export const powScalarOp = definePointwise<{ exponent: number }>({
  name: "powScalar",
  args: ["x"],
  functions,
  wgsl: ([x], { exponent }) => `powOf(${x}, ${literal(exponent)})`,
  scalar: ([x], { exponent }) => powOf(x!, exponent),
  backward: ({ inputs: [x], grads: [dy], attrs: { exponent } }) => [
    exponent === 0 ? undefined : mul(dy!, mul(pow(x!, exponent - 1), exponent)),
  ],
});

export const clampOp = definePointwise<{ low: number; high: number }>({
  name: "clamp",
  args: ["x"],
  functions: [specialFunctions],
  dtype: same,
  wgsl: ([x], { low, high }, [dtype]) => {
    const [larger, smaller] = dtype === "f32" ? ["larger", "smaller"] : ["max", "min"];
    const above = Number.isFinite(low) ? `${larger}(${x}, ${literal(low, dtype)})` : x;
    return Number.isFinite(high) ? `${smaller}(${above}, ${literal(high, dtype)})` : `${above}`;
  },
  scalar: ([x], { low, high }) => Math.min(Math.max(x!, low), high),
  backward: ({ inputs: [x], grads: [dy], attrs: { low, high } }) => {
    const fromLow = Number.isFinite(low) ? where(ge(x!, low), dy!, 0) : dy!;
    return [Number.isFinite(high) ? where(le(x!, high), fromLow, 0) : fromLow];
  },
});

/** |x| of any dtype; the derivative at 0 is 0. -2^31 has no absolute value in i32 and stays. */
export const abs = (x: Tensor): Tensor => absOp.one([x], {});
/** -1, 0 or 1, of any dtype; NaN of NaN (PyTorch: 0). The gradient is 0. */
export const sign = (x: Tensor): Tensor => signOp.one([x], {});
/** eˣ. */
export const exp = (x: Tensor): Tensor => expOp.one([x], {});
/** eˣ - 1, exact for small x. */
export const expm1 = (x: Tensor): Tensor => expm1Op.one([x], {});
/** Natural logarithm: -Infinity at 0, NaN below. */
export const log = (x: Tensor): Tensor => logOp.one([x], {});
/** log(1 + x), exact for small x. */
export const log1p = (x: Tensor): Tensor => log1pOp.one([x], {});
/** Square root; NaN below 0. */
export const sqrt = (x: Tensor): Tensor => sqrtOp.one([x], {});
/** 1 / √x. */
export const rsqrt = (x: Tensor): Tensor => rsqrtOp.one([x], {});
/** Sine of an angle in radians, NaN of an infinite one; on a GPU to 2e-7 for every x. */
export const sin = (x: Tensor): Tensor => sinOp.one([x], {});
/** Cosine of an angle in radians, NaN of an infinite one; on a GPU to 2e-7 for every x. */
export const cos = (x: Tensor): Tensor => cosOp.one([x], {});
/** The error function 2/√π ∫₀ˣ exp(-t²) dt; on a GPU to an absolute error of 2e-7. */
export const erf = (x: Tensor): Tensor => erfOp.one([x], {});
/** The largest whole number up to x. The gradient is 0. */
export const floor = (x: Tensor): Tensor => floorOp.one([x], {});
/** The smallest whole number from x on. The gradient is 0. */
export const ceil = (x: Tensor): Tensor => ceilOp.one([x], {});
/** The nearest whole number, halves to the even one. The gradient is 0. */
export const round = (x: Tensor): Tensor => roundOp.one([x], {});

/**
 * xᵉ. A negative base has a power when the exponent is whole, else NaN. Anything to the power of 0 is 1, and 1 to any power
 * is 1, even with NaN; otherwise NaN stays NaN. Tensors broadcast.
 */
export function pow(x: Tensor, exponent: Tensor | number): Tensor {
  if (typeof exponent !== "number") return powOp.one([x, exponent], {});
  if (!Number.isFinite(exponent)) throw new ValueError(`pow: exponent must be finite, got ${exponent}`);
  return powScalarOp.one([x], { exponent });
}

/**
 * x, of any dtype, limited to [low, high]; one of them may be left out. NaN stays NaN. The derivative is 1 inside and at the limits, 0
 * outside and at NaN.
 */
export function clamp(x: Tensor, low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY): Tensor {
  if (!(low <= high)) throw new ValueError(`clamp: low must be at most high, got ${low} and ${high}`);
  expectTensor("clamp", "x", x);
  for (const limit of [low, high]) {
    if (Math.abs(limit) !== Number.POSITIVE_INFINITY) expectNumber("clamp", limit, x.dtype);
  }
  return clampOp.one([x], { low, high });
}
