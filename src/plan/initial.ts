/** The first values of leaves: the same numbers on every backend. */
import { ShapeError } from "../errors.ts";
import { Random } from "../random.ts";
import type { Data, DType, Tensor } from "../tensor.ts";

/** A zeroed array of the kind that holds `dtype`. */
export function makeData(dtype: DType, length: number): Data {
  if (dtype === "f32") return new Float32Array(length);
  return dtype === "i32" ? new Int32Array(length) : new Uint32Array(length);
}

/** The value that `leaf` starts with; `stream` numbers the drawn leaves of a program so that they differ. */
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

/** Refuses data whose length is not the tensor's size. */
export function checkLength(tensor: Tensor, data: Data): void {
  if (data.length !== tensor.size) {
    throw new ShapeError(`${tensor.toString()}: holds ${tensor.size} values, got ${data.length}`);
  }
}
