/** The same values in storage of their own: copy, which the planner puts where needed, and expand, which stretches. */
import { type DefinedOp, expectTensor, shapeError } from "../op.ts";
import { checkShape, formatShape, type Shape, sameShape, type Tensor } from "../tensor.ts";
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

/** `x` stretched to `shape` by broadcasting. Throws ShapeError when x does not broadcast to exactly that. */
export function expand(x: Tensor, shape: Shape): Tensor {
  expectTensor("expand", "x", x);
  checkShape("expand", shape);
  const y = expandOp.one([x], { to: shape.join(",") });
  if (!sameShape(y.shape, shape)) {
    throw shapeError("expand", `${formatShape(shape)} is smaller than the tensor`, [x]);
  }
  return y;
}
