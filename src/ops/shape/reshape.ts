/** The same elements with another shape, without moving them: reshape, flatten, squeeze, expandDims. Any dtype. */

import { defineOp, expectArray, expectTensor, shapeError } from "../../graph/op.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { ShapeError } from "../../validation/errors.ts";

export const reshapeOp = defineOp({
  name: "reshape",
  args: ["x"],
  results: ["y"],
  view: "reshape",
  plan([x], attrs: { shape: Shape }) {
    checkShape("reshape", attrs.shape);
    if (x === undefined || sizeOf(attrs.shape) !== sizeOf(x.shape)) {
      throw shapeError("reshape", `${formatShape(attrs.shape)} must hold as many elements`, x ? [x] : []);
    }
    return { outputs: [{ shape: attrs.shape, dtype: x.dtype }], constants: {} };
  },
  cpu() {},
  backward: ({ inputs: [x], grads: [dy] }) => [reshape(dy!, x!.shape)],
});

/** `x` with `shape`; one axis may be -1, which is computed from the others. Throws ShapeError when the sizes differ. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  expectTensor("reshape", "x", x);
  expectArray("reshape", "shape", shape);
  const known = shape.filter((d) => d !== -1);
  if (known.length < shape.length - 1)
    throw new ShapeError(`reshape: only one axis may be -1, got ${formatShape(shape)}`);
  const rest = x.size / sizeOf(known);
  return reshapeOp.one([x], { shape: shape.map((d) => (d === -1 ? rest : d)) });
}

/** Merges the axes from `startAxis` to the last; with the default 1, `[N, …] -> [N, rest]`. */
export function flatten(x: Tensor, startAxis = 1): Tensor {
  expectTensor("flatten", "x", x);
  const lead = x.shape.slice(0, startAxis);
  return reshape(x, [...lead, sizeOf(x.shape.slice(startAxis))]);
}

/** `x` without its axes of 1, or without those of `axes`, which must be 1, or ShapeError is thrown: torch.squeeze. */
export function squeeze(x: Tensor, axes?: number | readonly number[]): Tensor {
  expectTensor("squeeze", "x", x);
  const list = axes === undefined ? undefined : typeof axes === "number" ? [axes] : axes;
  if (list !== undefined) expectArray("squeeze", "axes", list);
  const dropped = list?.map((axis) => (axis < 0 ? axis + x.rank : axis));
  if (dropped?.some((axis) => x.shape[axis] !== 1)) {
    throw shapeError("squeeze", `axes ${formatShape(list ?? [])} must exist and be 1`, [x]);
  }
  return reshape(
    x,
    x.shape.filter((d, axis) => (dropped === undefined ? d !== 1 : !dropped.includes(axis))),
  );
}

/** `x` with a new axis of 1 at `axis`, counted from the end if negative: torch.unsqueeze. Throws ShapeError. */
export function expandDims(x: Tensor, axis: number): Tensor {
  expectTensor("expandDims", "x", x);
  if (!Number.isInteger(axis) || axis < -x.rank - 1 || axis > x.rank) {
    throw shapeError("expandDims", `axis ${axis} is not in ${-x.rank - 1} … ${x.rank}`, [x]);
  }
  return reshape(x, x.shape.toSpliced(axis < 0 ? axis + x.rank + 1 : axis, 0, 1));
}
