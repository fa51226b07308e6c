/**
 * Sums (any dtype) and means (float32) over any axes, and their gradient, stretching by broadcasting. Long sums are split into parts that
 * are added in a fixed order.
 */

import { type Axes, normalizeAxes } from "../../geometry/axis.ts";
import { reducedSpec, reductionGeometry, reductionIndex } from "../../geometry/reduction.ts";
import { type DefinedOp, defineOp, expectFloats, expectTensor, shapeError } from "../../graph/op.ts";
import { checkShape, formatShape, type Shape, sameShape } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { literal, parseShapes } from "../../kernels/elementwise/group.ts";
import { sumKernels } from "../../kernels/reduce/reduce.ts";
import { checkOptions, type OptionKinds, type OtherNames } from "../../validation/options.ts";
import { same, wrapped } from "../elementwise/dtypes.ts";
import { definePointwise } from "../elementwise/pointwise.ts";
import { reshape } from "../shape/reshape.ts";

interface Attrs {
  /** Axes that are summed over, ascending. */
  readonly axes: readonly number[];
  /** What the sum is multiplied by: 1, or for a mean 1 / the number of terms. */
  readonly scale: number;
}

/** The result keeps summed axes as 1; `sum` drops them by a reshape. */
export const sumOp: DefinedOp<Attrs> = defineOp({
  name: "sum",
  args: ["x"],
  results: ["y"],
  plan([x], attrs: Attrs) {
    const { dtype } = x!;
    const constants = { ...reductionGeometry("sum", x!, attrs.axes), scale: attrs.scale, dtype };
    return { outputs: [reducedSpec(x!, attrs.axes)], constants };
  },
  cpu({ x, y }, g) {
    for (let k = 0; k < g.KEPT; k++) {
      let sum = 0;
      for (let r = 0; r < g.REDUCED; r++) sum = wrapped(sum + x[reductionIndex(g, k, r)]!, g.dtype);
      y[k] = sum * g.scale;
    }
  },
  kernels: (g) => sumKernels(g, g.dtype),
  backward: ({ inputs: [x], grads: [dy], attrs: { scale } }) => [
    expandOp.one([dy!], { to: x!.shape.join(","), scale }),
  ],
});

export const expandOp: DefinedOp<{ to: string; scale: number }> = definePointwise<{
  to: string;
  scale: number;
}>({
  name: "expand",
  args: ["x"],
  dtype: same,
  wgsl: ([x], { scale }) => (scale === 1 ? `${x}` : `${x} * ${literal(scale)}`),
  scalar: ([x], { scale }) => x! * scale,
  stretchTo: ({ to }) => parseShapes(to)[0] as Shape,
  backward: ({ inputs: [x], grads: [dy], attrs: { scale } }) => [sumTo(dy!, x!.shape, scale)],
});

/** `axis` and PyTorch's `dim` and `keepdim` are accepted too. */
export interface ReduceOptions extends OtherNames {
  /** Axes to reduce over, negative ones counted from the end; default all. */
  readonly axes?: Axes;
  /** Keep reduced axes as 1; default false. */
  readonly keepDims?: boolean;
}

export const REDUCE = { axes: "numbers", keepDims: "boolean" } as const satisfies OptionKinds<ReduceOptions>;

/** Sum over `axes` (default all, giving a scalar of shape []), of any dtype; integers wrap around. */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(x, options, false);
}

/** Arithmetic mean of f32 over `axes` (default all, giving a scalar of shape []). */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(x, options, true);
}

function reduce(x: Tensor, given: ReduceOptions, isMean: boolean): Tensor {
  const name = isMean ? "mean" : "sum";
  expectTensor(name, "x", x);
  if (isMean) expectFloats(name, x);
  const options = checkOptions(name, given, REDUCE);
  const axes = normalizeAxes(name, x.rank, options.axes);
  const scale = isMean ? 1 / axes.reduce((n, axis) => n * (x.shape[axis] as number), 1) : 1;
  const y = sumOp.one([x], { axes, scale }, name);
  return options.keepDims === true ? y : dropAxes(y, axes);
}

/** `y` without `axes`, which are 1. */
export function dropAxes(y: Tensor, axes: readonly number[]): Tensor {
  return reshape(
    y,
    y.shape.filter((_, axis) => !axes.includes(axis)),
  );
}

/** Sums `x` down to `shape`, from which it could be broadcast, times `scale`: the gradient of broadcasting. */
export function sumTo(x: Tensor, shape: Shape, scale = 1): Tensor {
  if (scale === 1 && sameShape(x.shape, shape)) return x;
  const lead = x.rank - shape.length;
  const axes = x.shape.flatMap((d, axis) =>
    axis < lead || (shape[axis - lead] === 1 && d !== 1) ? [axis] : [],
  );
  return reshape(sumOp.one([x], { axes, scale }), shape);
}

/** `x`, of any dtype, stretched to `shape` by broadcasting. Throws ShapeError when x does not broadcast to exactly that. */
export function expand(x: Tensor, shape: Shape): Tensor {
  expectTensor("expand", "x", x);
  checkShape("expand", shape);
  const y = expandOp.one([x], { to: shape.join(","), scale: 1 });
  if (!sameShape(y.shape, shape)) {
    throw shapeError("expand", `${formatShape(shape)} is smaller than the tensor`, [x]);
  }
  return y;
}
