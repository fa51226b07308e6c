/**
 * Activations whose derivative follows from their output: relu, sigmoid, tanh. Each has a `…Backward` op of (dy, y), and a
 * number by which the kernels of linear layers and convolution blocks apply them to their results.
 */

import type { DefinedOp } from "../../graph/op.ts";
import type { BackwardContext, Tensor } from "../../graph/tensor.ts";
import { ACTIVATION, sigmoidOf } from "../../kernels/activation-codes.ts";
import { specialFunctions } from "../../kernels/elementwise/wgsl-functions.ts";
import { mul, sub } from "./arithmetic.ts";
import { definePointwise } from "./pointwise.ts";

type None = Record<string, never>;

export const reluBackwardOp: DefinedOp<None> = definePointwise<None>({
  name: "reluBackward",
  args: ["dy", "y"],
  functions: [specialFunctions],
  wgsl: ([dy, y]) => `select(0.0, ${dy}, passes(${y}))`,
  // y is relu's output: 0, positive or NaN, which lets the gradient through.
  scalar: ([dy, y]) => (y === 0 ? 0 : dy!),
  backward: ({ inputs: [, y], grads: [d] }) => [reluBackwardOp.one([d!, y!], {}), undefined],
});

export const sigmoidBackwardOp: DefinedOp<None> = definePointwise<None>({
  name: "sigmoidBackward",
  args: ["dy", "y"],
  wgsl: ([dy, y]) => `${dy} * (${y} * (1.0 - ${y}))`,
  scalar: ([dy, y]) => dy! * (y! * (1 - y!)),
  // d/ddy = y (1 - y);  d/dy = dy (1 - 2 y)
  backward: ({ inputs: [dy, y], grads: [d] }) => [
    sigmoidBackwardOp.one([d!, y!], {}),
    mul(mul(d!, dy!), sub(1, mul(y!, 2))),
  ],
});

export const tanhBackwardOp: DefinedOp<None> = definePointwise<None>({
  name: "tanhBackward",
  args: ["dy", "y"],
  wgsl: ([dy, y]) => `${dy} * (1.0 - ${y} * ${y})`,
  scalar: ([dy, y]) => dy! * (1 - y! * y!),
  backward: ({ inputs: [dy, y], grads: [d] }) => [
    tanhBackwardOp.one([d!, y!], {}),
    mul(mul(d!, dy!), mul(y!, -2)),
  ],
});

const throughOutput =
  (backward: { one(inputs: readonly Tensor[], attrs: None): Tensor }) =>
  ({ outputs: [y], grads: [dy] }: BackwardContext<None>) => [backward.one([dy!, y!], {})];

export const reluOp = definePointwise<None>({
  name: "relu",
  args: ["x"],
  functions: [specialFunctions],
  wgsl: ([x]) => `reluOf(${x})`,
  scalar: ([x]) => (x! <= 0 ? 0 : x!),
  backward: throughOutput(reluBackwardOp),
});

export const sigmoidOp = definePointwise<None>({
  name: "sigmoid",
  args: ["x"],
  functions: [specialFunctions],
  wgsl: ([x]) => `sigmoidOf(${x})`,
  scalar: ([x]) => sigmoidOf(x!),
  backward: throughOutput(sigmoidBackwardOp),
});

export const tanhOp = definePointwise<None>({
  name: "tanh",
  args: ["x"],
  functions: [specialFunctions],
  wgsl: ([x]) => `tanhOf(${x})`,
  scalar: ([x]) => Math.tanh(x!),
  backward: throughOutput(tanhBackwardOp),
});

/** max(x, 0), element by element; the derivative at 0 is 0, as in PyTorch. */
export function relu(x: Tensor): Tensor {
  return reluOp.one([x], {});
}

/** 1 / (1 + exp(-x)), element by element. */
export function sigmoid(x: Tensor): Tensor {
  return sigmoidOp.one([x], {});
}

/** Hyperbolic tangent, element by element. */
export function tanh(x: Tensor): Tensor {
  return tanhOp.one([x], {});
}

/** The activations that can be fused, with their ops. */
export const ACTIVATED = [
  { code: ACTIVATION.relu, forward: reluOp, backward: reluBackwardOp },
  { code: ACTIVATION.sigmoid, forward: sigmoidOp, backward: sigmoidBackwardOp },
  { code: ACTIVATION.tanh, forward: tanhOp, backward: tanhBackwardOp },
] as const;
