/**
 * Activations whose derivative follows from their input: gelu, its approximation by tanh, silu. Each has a `…Backward` op of
 * (dy, x), and a number by which the kernels of linear layers apply it to their results.
 */

import type { DefinedOp } from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { ACTIVATION, activate, derivative, GELU_TANH } from "../../kernels/activation-codes.ts";
import { specialFunctions } from "../../kernels/elementwise/wgsl-functions.ts";
import { add, mul, neg, square, sub } from "./arithmetic.ts";
import { exp } from "./math.ts";
import { definePointwise } from "./pointwise.ts";
import { sigmoid, tanh } from "./relu-sigmoid-tanh.ts";

type None = Record<string, never>;

/** `second(x)`: the second derivative. */
function throughInput(name: "gelu" | "geluTanh" | "silu", second: (x: Tensor) => Tensor) {
  const code = ACTIVATION[name];
  const backward: DefinedOp<None> = definePointwise<None>({
    name: `${name}Backward`,
    args: ["dy", "x"],
    functions: [specialFunctions],
    wgsl: ([dy, x]) => `${dy} * ${name}Derivative4(vec4(${x})).x`,
    scalar: ([dy, x]) => dy! * derivative(code, x!),
    backward: ({ inputs: [dy, x], grads: [d], needs }) => [
      needs[0] ? backward.one([d!, x!], {}) : undefined,
      needs[1] ? mul(mul(d!, dy!), second(x!)) : undefined,
    ],
  });
  const forward = definePointwise<None>({
    name,
    args: ["x"],
    functions: [specialFunctions],
    wgsl: ([x]) => `${name}4(vec4(${x})).x`,
    scalar: ([x]) => activate(code, x!),
    backward: ({ inputs: [x], grads: [dy] }) => [backward.one([dy!, x!], {})],
  });
  return { code, forward, backward } as const;
}

/** x Φ(x): (2 - x²) φ(x), φ the normal density. */
const gelu = throughInput("gelu", (x) =>
  mul(mul(sub(2, square(x)), exp(mul(square(x), -0.5))), 1 / Math.sqrt(2 * Math.PI)),
);

/** x (1 + t) / 2 with t = tanh(u): (1 - t²) (u' + x u″ / 2 - x t u'²). */
const geluTanh = throughInput("geluTanh", (x) => {
  const { scale, cubic } = GELU_TANH;
  const t = tanh(mul(mul(x, add(mul(square(x), cubic), 1)), scale));
  const first = mul(add(mul(square(x), 3 * cubic), 1), scale);
  const half = mul(square(x), 3 * cubic * scale);
  return mul(sub(1, square(t)), add(first, sub(half, mul(mul(x, t), square(first)))));
});

/** s (1 - s) (2 + x (1 - 2 s)), s the sigmoid of x. */
const silu = throughInput("silu", (x) => {
  const s = sigmoid(x);
  return mul(mul(s, sub(1, s)), add(mul(x, add(neg(mul(s, 2)), 1)), 2));
});

/** The activations that can be fused and save their input, with their ops. */
export const ACTIVATED_INPUT = [gelu, geluTanh, silu] as const;

export const geluOp = gelu.forward;
export const geluTanhOp = geluTanh.forward;
export const siluOp = silu.forward;
export const siluBackwardOp = silu.backward;
