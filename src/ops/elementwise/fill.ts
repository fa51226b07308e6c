/** Constants that hold one number everywhere. */
import { checkDType, checkShape, type DType, type Shape, sizeOf } from "../../graph/spec.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { toData } from "../../graph/values.ts";

/** A tensor of `shape` and `dtype`, default f32, with `value` everywhere. Throws ValueError on a value that `dtype` can't hold. */
export function fill(shape: Shape, value: number, dtype: DType = "f32"): Tensor {
  checkShape("fill", shape);
  checkDType("fill", dtype);
  const values = new Float64Array(sizeOf(shape)).fill(value);
  return constant(dtype === "f32" ? values : toData("fill", dtype, values), shape, `fill(${value})`);
}

export function zeros(shape: Shape, dtype?: DType): Tensor {
  return fill(shape, 0, dtype);
}

export function ones(shape: Shape, dtype?: DType): Tensor {
  return fill(shape, 1, dtype);
}

/** True for a constant that holds a single 1, which is the gradient of a loss with respect to itself. */
export function isOne({ leaf, size }: Tensor): boolean {
  return leaf?.kind === "constant" && size === 1 && leaf.data[0] === 1;
}
