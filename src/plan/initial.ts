/** The first values of leaves: the same numbers on every backend. */
import { ShapeError } from "../errors.ts";
import { Random } from "../random.ts";
import type { Data, DType, Tensor } from "../tensor.ts";

/** A zeroed array for values of `dtype`. Floats are wide: what is narrower rounds them itself. */
function makeData(dtype: DType, length: number): Data {
  if (dtype === "f32") return new Float64Array(length);
  return dtype === "i32" ? new Int32Array(length) : new Uint32Array(length);
}

/**
 * What each of a program's leaves starts with. Those that are drawn have a stream each, numbered in the order in which
 * they were made: the same on every backend, with and without fusion, whatever was compiled before.
 */
export function firstValues(leaves: readonly Tensor[], seed: number): (leaf: Tensor) => Data {
  const drawn = leaves.filter(({ leaf }) => leaf?.kind === "state" && typeof leaf.initial === "function");
  const streams = new Map([...drawn].sort((a, b) => a.node.id - b.node.id).map((leaf, i) => [leaf, i]));
  return (leaf) => initialData(leaf, seed, streams.get(leaf) ?? 0);
}

/** The value that `leaf` starts with, drawn from stream `stream` of `seed` if it is drawn. */
export function initialData(leaf: Tensor, seed: number, stream: number): Data {
  const kind = leaf.leaf;
  if (kind?.kind === "constant") return kind.data;
  const initial = kind?.kind === "state" ? kind.initial : 0;
  const data =
    typeof initial === "number"
      ? makeData(leaf.dtype, leaf.size).fill(initial)
      : typeof initial === "function"
        ? initial(new Random(seed, stream))
        : initial;
  checkLength(leaf, data);
  return data;
}

/** Refuses data whose length is not the tensor's size, or with `at`, that does not fit in from there on. */
export function checkLength(tensor: Tensor, data: Data, at?: number): void {
  if (at !== undefined && !(Number.isInteger(at) && at >= 0 && at + data.length <= tensor.size)) {
    throw new ShapeError(
      `${tensor.toString()}: holds ${tensor.size} values, got ${data.length} to write from ${at} on`,
    );
  }
  if (at === undefined && data.length !== tensor.size) {
    throw new ShapeError(`${tensor.toString()}: holds ${tensor.size} values, got ${data.length}`);
  }
}
