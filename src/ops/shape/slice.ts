/**
 * Parts of tensors, any dtype, gradients for float32: slice, flip, and their counterpart that puts a part into a
 * tensor filled with one value. Each is the gradient of the other. Refuses regions of more than six groups of axes.
 */
import { ShapeError } from "../../common/errors.ts";
import { type Kernel, spread } from "../../graph/kernel.ts";
import { type DefinedOp, defineOp, expectArray, expectTensor, shapeError } from "../../graph/op.ts";
import { Shader } from "../../graph/shader.ts";
import { checkShape, formatShape, type Shape, type Spec, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { normalizeAxes, type ReduceOptions } from "../reduce/sum.ts";

const code = () => import("../../../shaders/shape/slice.wgsl?raw");

const shader = new Shader("slice.wgsl", code);
const LOOPS = 6;

/** A region of a tensor: coordinate c of an axis is start + c · step of the whole. */
interface Region {
  readonly starts: readonly number[];
  readonly steps: readonly number[];
}

/** The loop over a region of `sizes`: axes that lie together merged, axes of 1 left out, with their steps. */
function regionConstants(op: string, whole: Spec, { starts, steps }: Region, sizes: Shape) {
  const groups: { size: number; step: number }[] = [];
  let BASE = 0;
  whole.shape.forEach((_, axis) => {
    const stride = sizeOf(whole.shape.slice(axis + 1));
    const [size, step] = [sizes[axis]!, stride * steps[axis]!];
    BASE += stride * starts[axis]!;
    const last = groups.at(-1);
    if (size === 1) return;
    if (last !== undefined && last.step === step * size) {
      last.size *= size;
      last.step = step;
    } else groups.push({ size, step });
  });
  if (groups.length > LOOPS) throw shapeError(op, `works on at most ${LOOPS} groups of axes`, [whole]);
  const loops = [...Array.from({ length: LOOPS - groups.length }, () => ({ size: 1, step: 0 })), ...groups];
  const constants: { [name: string]: number; COUNT: number } = { BASE, COUNT: sizeOf(sizes) };
  loops.forEach(({ size, step }, i) => {
    constants[`D${i}`] = size;
    constants[`S${i}`] = step;
  });
  return constants;
}

/** Calls `visit` with every element of a region and its place in the whole. */
function eachPlace(constants: Readonly<Record<string, number>>, visit: (e: number, at: number) => void) {
  for (let e = 0; e < constants.COUNT!; e++) {
    let rest = e;
    let at = constants.BASE!;
    for (let i = LOOPS - 1; i >= 0; i--) {
      at += (rest % constants[`D${i}`]!) * constants[`S${i}`]!;
      rest = Math.floor(rest / constants[`D${i}`]!);
    }
    visit(e, at);
  }
}

/** A dispatch that copies `x` to or from a region of `y`. */
export function copyKernel(
  entry: "readRegion" | "writeRegion",
  x: string,
  constants: Readonly<Record<string, number>>,
): Kernel {
  const groups = spread(Math.ceil(constants.COUNT! / 256));
  return { shader, entry, bind: [["x", x], "y"], constants, groups };
}

export const sliceOp: DefinedOp<Region & { readonly sizes: Shape }> = defineOp({
  name: "slice",
  args: ["x"],
  results: ["y"],
  plan([x], attrs: Region & { readonly sizes: Shape }) {
    return {
      outputs: [{ shape: attrs.sizes, dtype: x!.dtype }],
      constants: regionConstants("slice", x!, attrs, attrs.sizes),
    };
  },
  cpu({ x, y }, constants) {
    eachPlace(constants, (e, at) => {
      y[e] = x[at]!;
    });
  },
  kernels: (constants) => ({ kernels: [copyKernel("readRegion", "x", constants)] }),
  backward: ({ inputs: [x], grads: [dy], attrs: { starts, steps } }) => [
    embedOp.one([dy!], { starts, steps, shape: x!.shape, value: 0 }, "sliceBackward"),
  ],
});

/** x in a tensor of `shape` that is `value` elsewhere. */
export const embedOp: DefinedOp<Region & { readonly shape: Shape; readonly value: number }> = defineOp({
  name: "embed",
  args: ["x"],
  results: ["y"],
  plan([x], { shape, value, ...region }: Region & { readonly shape: Shape; readonly value: number }) {
    const whole = { shape, dtype: x!.dtype };
    const bits = x!.dtype === "f32" ? Float32Array.of(value) : Int32Array.of(value);
    const [VALUE] = new Uint32Array(bits.buffer);
    const loops = regionConstants("embed", whole, region, x!.shape);
    return { outputs: [whole], constants: { ...loops, TOTAL: sizeOf(shape), VALUE: VALUE!, value } };
  },
  cpu({ x, y }, constants) {
    y.fill(constants.value!);
    eachPlace(constants, (e, at) => {
      y[at] = x[e]!;
    });
  },
  kernels(constants) {
    const { TOTAL, COUNT } = constants;
    const groups = spread(Math.ceil(TOTAL! / 256));
    const fill: Kernel = { shader, entry: "fill", bind: ["y"], constants: { COUNT: TOTAL! }, groups };
    const write = copyKernel("writeRegion", "x", { ...constants, COUNT: COUNT! });
    return { kernels: TOTAL === COUNT ? [write] : [fill, write] };
  },
  backward: ({ inputs: [x], grads: [dy], attrs: { starts, steps } }) => [
    sliceOp.one([dy!], { starts, steps, sizes: x!.shape }, "embedBackward"),
  ],
});

/**
 * Elements `starts[axis]` up to, without, `ends[axis]`, every `steps[axis]`-th (default each), of any dtype. As in
 * Python, negative places count from the end and places beyond an end mean that end; axes not named are taken whole.
 * Throws ShapeError where nothing is left, or a step is not a whole number of at least 1.
 */
export function slice(
  x: Tensor,
  starts: readonly number[],
  ends: readonly number[],
  steps: readonly number[] = [],
): Tensor {
  expectTensor("slice", "x", x);
  for (const list of [starts, ends, steps]) expectArray("slice", "each of starts, ends and steps", list);
  if (Math.max(starts.length, ends.length, steps.length) > x.rank) {
    throw shapeError("slice", `has more places than axes`, [x]);
  }
  const place = (value: number, size: number) =>
    Math.min(Math.max(value < 0 ? value + size : value, 0), size);
  const from = x.shape.map((size, axis) => place(starts[axis] ?? 0, size));
  const to = x.shape.map((size, axis) => place(ends[axis] ?? size, size));
  const by = x.shape.map((_, axis) => steps[axis] ?? 1);
  const sizes = from.map((start, axis) => Math.ceil((to[axis]! - start) / by[axis]!));
  if (![...from, ...to, ...by].every(Number.isInteger) || by.some((step) => step < 1)) {
    throw shapeError("slice", `places must be whole numbers, steps at least 1`, [x]);
  }
  if (sizes.some((size) => size < 1)) {
    throw shapeError("slice", `nothing lies from ${formatShape(from)} to ${formatShape(to)}`, [x]);
  }
  if (sizes.every((size, axis) => size === x.shape[axis])) return x;
  return sliceOp.one([x], { starts: from, steps: by, sizes });
}

/** `x` with the order along `axes` (default all) turned round, of any dtype. */
export function flip(x: Tensor, axes?: ReduceOptions["axes"]): Tensor {
  expectTensor("flip", "x", x);
  const turned = normalizeAxes("flip", x.rank, axes);
  const starts = x.shape.map((size, axis) => (turned.includes(axis) ? size - 1 : 0));
  const steps = x.shape.map((_, axis) => (turned.includes(axis) ? -1 : 1));
  return sliceOp.one([x], { starts, steps, sizes: x.shape }, "flip");
}

/** `x` inside a tensor that is larger by `before` and `after` along each axis and `value` there. */
export function embed(x: Tensor, before: readonly number[], after: readonly number[], value: number): Tensor {
  const shape = x.shape.map((size, axis) => size + before[axis]! + after[axis]!);
  checkShape("pad", shape);
  if (x.dtype !== "f32" && !Number.isInteger(value)) {
    throw new ShapeError(`pad: value must be a whole number for ${x.dtype}, got ${value}`);
  }
  return embedOp.one([x], { starts: before, steps: x.shape.map(() => 1), shape, value }, "pad");
}
