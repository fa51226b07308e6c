/** Tensors one after another along an axis, and taken apart again: concat, stack, split. Any dtype. */
import { ShapeError } from "../../common/errors.ts";
import {
  type DefinedOp,
  defineOp,
  expectArray,
  expectTensor,
  expectWhole,
  shapeError,
} from "../../graph/op.ts";
import { type Data, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { normalizeAxes } from "../reduce/sum.ts";
import { expandDims } from "./reshape.ts";
import { copyKernel, slice } from "./slice.ts";

interface Attrs {
  readonly axis: number;
}

/** Every input goes as [OUTER, size, INNER] into y [OUTER, TOTAL, INNER], one dispatch each. */
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
        OUTER: sizeOf(first!.shape.slice(0, axis)),
        INNER: sizeOf(first!.shape.slice(axis + 1)),
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
  kernels({ OUTER, INNER, TOTAL, sizes }) {
    let start = 0;
    const kernels = sizes.map((size, i) => {
      const BASE = start * INNER;
      start += size;
      const one = { D1: 1, D2: 1, D3: 1, S0: 0, S1: 0, S2: 0, S3: 0 };
      const loops = { ...one, D4: OUTER, S4: TOTAL * INNER, D5: size * INNER, S5: 1 };
      return copyKernel("writeRegion", `xs${i}`, { ...loops, BASE, COUNT: OUTER * size * INNER });
    });
    return { kernels };
  },
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

/** The tensors one after another along `axis`, where alone they may differ in size. Throws ShapeError. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  expectArray("concat", "its first argument", tensors);
  for (const t of tensors) expectTensor("concat", "each of its tensors", t);
  const [first] = tensors;
  if (first === undefined) throw new ShapeError("concat: needs at least one tensor");
  const [along] = normalizeAxes("concat", first.rank, axis) as [number];
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
 * `x` cut along `axis` into parts of `sizes`, or of that size each where it is a number, the last part then maybe
 * smaller: torch.split. Throws ShapeError where sizes do not add up to the axis.
 */
export function split(x: Tensor, sizes: number | readonly number[], axis = 0): Tensor[] {
  expectTensor("split", "x", x);
  const [along] = normalizeAxes("split", x.rank, axis) as [number];
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
