/** Constants that hold one number everywhere. */
import { checkShape, type Shape, sizeOf } from "../../graph/spec.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";

/** A float32 tensor of `shape` with `value` everywhere. */
export function fill(shape: Shape, value: number): Tensor {
  checkShape("fill", shape);
  return constant(new Float64Array(sizeOf(shape)).fill(value), shape, `fill(${value})`);
}

export function zeros(shape: Shape): Tensor {
  return fill(shape, 0);
}

export function ones(shape: Shape): Tensor {
  return fill(shape, 1);
}

/** True for a constant that holds a single 1, which is the gradient of a loss with respect to itself. */
export function isOne({ leaf, size }: Tensor): boolean {
  return leaf?.kind === "constant" && size === 1 && leaf.data[0] === 1;
}
