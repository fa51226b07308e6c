/** Permuting axes: permute and transpose. Any dtype, gradients for float32. Refuses permutations of more than six groups of axes. */

import { type Loop, mergeLoops } from "../../geometry/axis.ts";
import { eachStrided, MAX_LOOPS, stridedConstants } from "../../geometry/strided.ts";
import { type DefinedOp, defineOp, expectArray, expectTensor, shapeError } from "../../graph/op.ts";
import { formatShape, type Shape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { readKernels } from "../../kernels/shape/strided-copy.ts";
import { ShapeError } from "../../validation/errors.ts";
import { reshape } from "./reshape.ts";

interface Attrs {
  /** Axis of x that becomes axis i of y. */
  readonly axes: readonly number[];
}

export const permuteOp: DefinedOp<Attrs> = defineOp({
  name: "permute",
  args: ["x"],
  results: ["y"],
  plan([x], { axes }: Attrs) {
    const loops = loopsOver(x!.shape, axes);
    if (loops.length > MAX_LOOPS) throw shapeError("permute", "moves more than six groups of axes", [x!]);
    const shape = axes.map((axis) => x!.shape[axis]!);
    return { outputs: [{ shape, dtype: x!.dtype }], constants: stridedConstants(loops, 0) };
  },
  cpu({ x, y }, constants) {
    eachStrided(constants, (e, index) => {
      y[e] = x[index]!;
    });
  },
  kernels: readKernels,
  backward: ({ grads: [dy], attrs: { axes } }) => [
    permute(
      dy!,
      axes.map((_, axis) => axes.indexOf(axis)),
    ),
  ],
});

/** The loops over the result, with strides in x. */
function loopsOver(shape: Shape, axes: readonly number[]): Loop[] {
  return mergeLoops(axes.map((axis) => ({ size: shape[axis]!, stride: sizeOf(shape.slice(axis + 1)) })));
}

/**
 * `x` with its axes in the order of `axes`: axis i of the result is axis `axes[i]` of `x`, negative ones counted from
 * the end. Throws ShapeError unless `axes` names every axis once.
 */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  expectTensor("permute", "x", x);
  expectArray("permute", "axes", axes);
  const order = axes.map((axis) => (axis < 0 ? axis + x.rank : axis));
  const each = Array.from({ length: x.rank }, (_, axis) => order.includes(axis));
  if (order.length !== x.rank || each.includes(false)) {
    throw new ShapeError(
      `permute: axes must name each of the ${x.rank} axes of ${formatShape(x.shape)} once, got ${formatShape(axes)}`,
    );
  }
  if (loopsOver(x.shape, order).length <= 1) {
    return reshape(
      x,
      order.map((axis) => x.shape[axis]!),
    );
  }
  return permuteOp.one([x], { axes: order });
}

/** `x` with two axes swapped, negative ones counted from the end. Throws ShapeError on an axis that does not exist. */
export function transpose(x: Tensor, axisA: number, axisB: number): Tensor {
  expectTensor("transpose", "x", x);
  const [a, b] = [axisA, axisB].map((axis) => {
    if (!Number.isInteger(axis) || axis < -x.rank || axis >= x.rank)
      throw new ShapeError(`transpose: axis ${axis} does not exist in ${formatShape(x.shape)}`);
    return axis < 0 ? axis + x.rank : axis;
  }) as [number, number];
  return permute(
    x,
    x.shape.map((_, axis) => (axis === a ? b : axis === b ? a : axis)),
  );
}
