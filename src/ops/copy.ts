/** The same values in storage of their own: copy, which the planner puts where needed, and expand, which stretches. */
import type { DefinedOp } from "../op.ts";
import type { Shape, Tensor } from "../tensor.ts";
import { definePointwise, parseShapes } from "./pointwise.ts";
import { sumTo } from "./sum.ts";

export const copyOp = definePointwise<Record<string, never>>({
  name: "copy",
  args: ["x"],
  wgsl: ([x]) => `${x}`,
  scalar: ([x]) => x!,
  backward: ({ grads: [dy] }) => [dy],
});

export const expandOp: DefinedOp<{ to: string }> = definePointwise<{ to: string }>({
  name: "expand",
  args: ["x"],
  wgsl: ([x]) => `${x}`,
  scalar: ([x]) => x!,
  stretchTo: ({ to }) => parseShapes(to)[0] as Shape,
  backward: ({ inputs: [x], grads: [dy] }) => [sumTo(dy!, x!.shape)],
});

/** A copy of a float32 tensor. */
export function copy(x: Tensor): Tensor {
  return copyOp.one([x], {});
}

/** `x` stretched to `shape` by broadcasting. */
export function expand(x: Tensor, shape: Shape): Tensor {
  return expandOp.one([x], { to: shape.join(",") });
}
