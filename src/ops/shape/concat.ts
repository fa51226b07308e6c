/** Joining tensors along an axis and splitting them again: concat, stack, split. Any dtype. */

import { axisGeometry, normalizeAxis } from "../../geometry/axis.ts";
import {
  type DefinedOp,
  defineOp,
  expectArray,
  expectTensor,
  expectWhole,
  shapeError,
} from "../../graph/op.ts";
import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { concatKernels } from "../../kernels/shape/strided-copy.ts";
import { ShapeError } from "../../validation/errors.ts";
import { expandDims } from "./reshape.ts";
import { slice } from "./slice.ts";

interface Attrs {
  readonly axis: number;
}

/** Inputs [OUTER, size, INNER] one after another -> y [OUTER, TOTAL, INNER]. */
export const concatOp: DefinedOp<Attrs> = defineOp({
  name: "concat",
  args: ["...xs"],
  results: ["y"],
  plan(inputs, { axis }: Attrs) {
    const [first, ...others] = inputs;
    const fits = others.every(
      ({ shape, dtype }) =>
        dtype === first!.dtype &&
        shape.length === first!.shape.length &&
        shape.every((d, i) => i === axis || d === first!.shape[i]),
    );
    if (!fits) throw shapeError("concat", `inputs must be alike in all but axis ${axis}`, inputs);
    const sizes = inputs.map((s) => s.shape[axis]!);
    const TOTAL = sizes.reduce((a, b) => a + b);
    return {
      outputs: [{ shape: first!.shape.map((d, i) => (i === axis ? TOTAL : d)), dtype: first!.dtype }],
      constants: {
        ...axisGeometry(first!.shape, axis),
        TOTAL,
        sizes,
      },
    };
  },
  cpu(tensors, { OUTER, INNER, TOTAL, sizes }) {
    const y = tensors.y;
    let start = 0;
    sizes.forEach((size, i) => {
      const x = (tensors as Readonly<Record<string, Data>>)[`xs${i}`]!;
      for (let outer = 0; outer < OUTER; outer++) {
        const row = x.subarray(outer * size * INNER, (outer + 1) * size * INNER);
        y.set(row, (outer * TOTAL + start) * INNER);
      }
      start += size;
    });
  },
  kernels: concatKernels,
  backward: ({ inputs, grads: [dy], needs, attrs: { axis } }) => {
    let start = 0;
    return inputs.map((x, i) => {
      const from = start;
      start += x.shape[axis]!;
      return needs[i] ? part(dy!, axis, from, start) : undefined;
    });
  },
});

function part(x: Tensor, axis: number, from: number, to: number): Tensor {
  const at = (value: number, other: (size: number) => number) =>
    x.shape.map((size, i) => (i === axis ? value : other(size)));
  return slice(
    x,
    at(from, () => 0),
    at(to, (size) => size),
  );
}

/** The tensors one after another along `axis`; their other axes must be alike. Throws ShapeError. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  expectArray("concat", "its first argument", tensors);
  for (const t of tensors) expectTensor("concat", "each of its tensors", t);
  const [first] = tensors;
  if (first === undefined) throw new ShapeError("concat: needs at least one tensor");
  const along = normalizeAxis("concat", first.rank, axis);
  return tensors.length === 1 ? first : concatOp.one(tensors, { axis: along });
}

/** Tensors of one shape along a new axis. Throws ShapeError. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  expectArray("stack", "its first argument", tensors);
  for (const t of tensors) expectTensor("stack", "each of its tensors", t);
  return concat(
    tensors.map((t) => expandDims(t, axis)),
    axis,
  );
}

/**
 * `x` split along `axis` into parts of `sizes`; a number is the size of every part, the last of which may be smaller:
 * torch.split. Throws ShapeError where sizes do not add up to the axis.
 */
export function split(x: Tensor, sizes: number | readonly number[], axis = 0): Tensor[] {
  expectTensor("split", "x", x);
  const along = normalizeAxis("split", x.rank, axis);
  const whole = x.shape[along]!;
  if (typeof sizes === "number") expectWhole("split", "size", sizes, 1);
  else expectArray("split", "sizes", sizes);
  const list =
    typeof sizes === "number"
      ? Array.from({ length: Math.ceil(whole / sizes) }, (_, i) => Math.min(sizes, whole - i * sizes))
      : sizes.map((size) => expectWhole("split", "size", size, 1));
  const total = list.reduce((a, b) => a + b, 0);
  if (total !== whole) throw shapeError("split", `sizes add up to ${total}, the axis has ${whole}`, [x]);
  let start = 0;
  return list.map((size) => {
    start += size;
    return part(x, along, start - size, start);
  });
}
