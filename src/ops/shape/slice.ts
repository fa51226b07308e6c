/**
 * Strided parts of tensors, any dtype, gradients for float32: slice and flip read a part; `embed`, the gradient of both, writes
 * one into a tensor filled with one value. Refuses parts of more than six groups of axes.
 */

import { type Axes, mergeLoops, normalizeAxes } from "../../geometry/axis.ts";
import { eachStrided, MAX_LOOPS, stridedConstants } from "../../geometry/strided.ts";
import { type DefinedOp, defineOp, expectArray, expectTensor, shapeError } from "../../graph/op.ts";
import { checkShape, formatShape, type Shape, type Spec, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { embedKernels, readKernels } from "../../kernels/shape/strided-copy.ts";
import { ShapeError } from "../../validation/errors.ts";

/** A part of a tensor: coordinate c of an axis is start + c · step of the tensor. */
interface Part {
  readonly starts: readonly number[];
  readonly steps: readonly number[];
}

/** Constants of walking a part of `sizes` of a tensor `whole`. */
function partConstants(op: string, whole: Spec, { starts, steps }: Part, sizes: Shape) {
  const strides = whole.shape.map((_, axis) => sizeOf(whole.shape.slice(axis + 1)));
  const loops = mergeLoops(
    strides.map((stride, axis) => ({ size: sizes[axis]!, stride: stride * steps[axis]! })),
  );
  if (loops.length > MAX_LOOPS) {
    throw shapeError(op, `works on at most ${MAX_LOOPS} groups of axes`, [whole]);
  }
  return stridedConstants(
    loops,
    strides.reduce((base, stride, axis) => base + stride * starts[axis]!, 0),
  );
}

export const sliceOp: DefinedOp<Part & { readonly sizes: Shape }> = defineOp({
  name: "slice",
  args: ["x"],
  results: ["y"],
  plan([x], attrs: Part & { readonly sizes: Shape }) {
    return {
      outputs: [{ shape: attrs.sizes, dtype: x!.dtype }],
      constants: partConstants("slice", x!, attrs, attrs.sizes),
    };
  },
  cpu({ x, y }, constants) {
    eachStrided(constants, (e, index) => {
      y[e] = x[index]!;
    });
  },
  kernels: readKernels,
  backward: ({ inputs: [x], grads: [dy], attrs: { starts, steps } }) => [
    embedOp.one([dy!], { starts, steps, shape: x!.shape, value: 0 }, "sliceBackward"),
  ],
});

/** A tensor of `shape` that has x as its part and is `value` elsewhere. */
export const embedOp: DefinedOp<Part & { readonly shape: Shape; readonly value: number }> = defineOp({
  name: "embed",
  args: ["x"],
  results: ["y"],
  plan([x], { shape, value, ...part }: Part & { readonly shape: Shape; readonly value: number }) {
    const whole = { shape, dtype: x!.dtype };
    const bits = x!.dtype === "f32" ? Float32Array.of(value) : Int32Array.of(value);
    const [VALUE] = new Uint32Array(bits.buffer);
    const loops = partConstants("embed", whole, part, x!.shape);
    return { outputs: [whole], constants: { ...loops, TOTAL: sizeOf(shape), VALUE: VALUE!, value } };
  },
  cpu({ x, y }, constants) {
    y.fill(constants.value);
    eachStrided(constants, (e, index) => {
      y[index] = x[e]!;
    });
  },
  kernels: embedKernels,
  backward: ({ inputs: [x], grads: [dy], attrs: { starts, steps } }) => [
    sliceOp.one([dy!], { starts, steps, sizes: x!.shape }, "embedBackward"),
  ],
});

/**
 * Elements from `starts[axis]` up to but not including `ends[axis]`, every `steps[axis]`-th (default 1), of any dtype. As in
 * Python, negative positions count from the end and positions beyond an end mean that end; axes not named, and positions that are
 * undefined, are taken whole. A negative step goes backwards from `starts[axis]` (default the last). Throws ShapeError where nothing is
 * left, or a step is 0 or not a whole number.
 */
export function slice(
  x: Tensor,
  starts: readonly (number | undefined)[],
  ends: readonly (number | undefined)[],
  steps: readonly (number | undefined)[] = [],
): Tensor {
  expectTensor("slice", "x", x);
  for (const list of [starts, ends, steps]) expectArray("slice", "each of starts, ends and steps", list);
  if (Math.max(starts.length, ends.length, steps.length) > x.rank) {
    throw shapeError("slice", `has more positions than axes`, [x]);
  }
  const by = x.shape.map((_, axis) => steps[axis] ?? 1);
  // Backwards, positions lie between -1 and size - 1.
  const clamped = (value: number | undefined, size: number, axis: number, other: number) => {
    const shift = by[axis]! < 0 ? -1 : 0;
    if (value === undefined) return other + shift;
    return Math.min(Math.max(value < 0 ? value + size : value, shift), size + shift);
  };
  const first = (size: number, axis: number) => (by[axis]! < 0 ? size : 0);
  const from = x.shape.map((size, axis) => clamped(starts[axis], size, axis, first(size, axis)));
  const to = x.shape.map((size, axis) => clamped(ends[axis], size, axis, size - first(size, axis)));
  const sizes = from.map((start, axis) => Math.ceil((to[axis]! - start) / by[axis]!));
  if (![...from, ...to, ...by].every(Number.isInteger) || by.some((step) => step === 0)) {
    throw shapeError("slice", `positions must be whole numbers, steps too and not 0`, [x]);
  }
  if (sizes.some((size) => size < 1)) {
    throw shapeError("slice", `nothing lies from ${formatShape(from)} to ${formatShape(to)}`, [x]);
  }
  if (sizes.every((size, axis) => size === x.shape[axis] && by[axis] === 1)) return x;
  return sliceOp.one([x], { starts: from, steps: by, sizes });
}

/** `x` with the order of elements along `axes` (default all) reversed, of any dtype. */
export function flip(x: Tensor, axes?: Axes): Tensor {
  expectTensor("flip", "x", x);
  const reversed = normalizeAxes("flip", x.rank, axes);
  const starts = x.shape.map((size, axis) => (reversed.includes(axis) ? size - 1 : 0));
  const steps = x.shape.map((_, axis) => (reversed.includes(axis) ? -1 : 1));
  return sliceOp.one([x], { starts, steps, sizes: x.shape }, "flip");
}

/** `x` inside a tensor that is larger by `before` and `after` elements along each axis, which are `value`. */
export function embed(x: Tensor, before: readonly number[], after: readonly number[], value: number): Tensor {
  const shape = x.shape.map((size, axis) => size + before[axis]! + after[axis]!);
  checkShape("pad", shape);
  if (x.dtype !== "f32" && !Number.isInteger(value)) {
    throw new ShapeError(`pad: value must be a whole number for ${x.dtype}, got ${value}`);
  }
  return embedOp.one([x], { starts: before, steps: x.shape.map(() => 1), shape, value }, "pad");
}
