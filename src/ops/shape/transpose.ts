/**
 * Axes in another order, the elements moved accordingly: permute and transpose, any 4-byte dtype, gradients for
 * float32. Refuses permutations that move more than six groups of axes.
 */
import { ShapeError } from "../../common/errors.ts";
import { spread } from "../../graph/kernel.ts";
import { type DefinedOp, defineOp, expectArray, expectTensor, shapeError } from "../../graph/op.ts";
import { Shader } from "../../graph/shader.ts";
import { formatShape, type Shape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { reshape } from "./reshape.ts";

const code = () => import("../../../shaders/shape/transpose.wgsl?raw");

const shader = new Shader("transpose.wgsl", code);

interface Attrs {
  /** Axis of x that becomes axis i of y. */
  readonly axes: readonly number[];
}

export const permuteOp: DefinedOp<Attrs> = defineOp({
  name: "permute",
  args: ["x"],
  results: ["y"],
  plan([x], { axes }: Attrs) {
    const groups = mergeAxes(x!.shape, axes);
    if (groups.length > 6) throw shapeError("permute", "moves more than six groups of axes", [x!]);
    const filled = [...Array.from({ length: 6 - groups.length }, () => ({ size: 1, step: 0 })), ...groups];
    const constants: Record<string, number> = { SIZE: sizeOf(x!.shape) };
    filled.forEach(({ size, step }, i) => {
      constants[`D${i}`] = size;
      constants[`S${i}`] = step;
    });
    return {
      outputs: [{ shape: axes.map((axis) => x!.shape[axis]!), dtype: x!.dtype }],
      constants,
    };
  },
  cpu({ x, y }, constants) {
    for (let e = 0; e < y.length; e++) {
      let rest = e;
      let at = 0;
      for (let i = 5; i >= 0; i--) {
        at += (rest % constants[`D${i}`]!) * constants[`S${i}`]!;
        rest = Math.floor(rest / constants[`D${i}`]!);
      }
      y[e] = x[at]!;
    }
  },
  kernels: ({ SIZE }) => ({
    kernels: [{ shader, entry: "permute", bind: ["x", "y"], groups: spread(Math.ceil(SIZE! / 256)) }],
  }),
  backward: ({ grads: [dy], attrs: { axes } }) => [
    permute(
      dy!,
      axes.map((_, axis) => axes.indexOf(axis)),
    ),
  ],
});

/** The loop over the output: axes that lie together in x merged, axes of 1 left out, with their steps in x. */
function mergeAxes(shape: Shape, axes: readonly number[]): { size: number; step: number }[] {
  const groups: { size: number; step: number }[] = [];
  for (const axis of axes) {
    const size = shape[axis]!;
    const step = sizeOf(shape.slice(axis + 1));
    const last = groups.at(-1);
    if (size === 1) continue;
    if (last !== undefined && last.step === step * size) {
      last.size *= size;
      last.step = step;
    } else groups.push({ size, step });
  }
  return groups;
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
  if (mergeAxes(x.shape, order).length <= 1) {
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
