/** The values that leaves start with; the same numbers on every backend. */

import type { Data, DType } from "../graph/spec.ts";
import { type Tensor, valuesFor } from "../graph/tensor.ts";
import { Random } from "../numbers/random.ts";

/** `length` times `value`. Floats have 64 bits; a backend with narrower ones rounds them. */
function filled(dtype: DType, length: number, value: number): Data {
  if (dtype === "f32") return new Float64Array(length).fill(value);
  return (dtype === "i32" ? new Int32Array(length) : new Uint32Array(length)).fill(value);
}

/** Values given to states before a compiled graph puts them on the device. */
export class StartValues {
  readonly #given = new WeakMap<Tensor, Data>();

  get(leaf: Tensor): Data | undefined {
    return this.#given.get(leaf);
  }

  /** Throws ShapeError and ValueError as `valuesFor` does. */
  set(leaf: Tensor, data: Data): void {
    this.#given.set(leaf, valuesFor(leaf, data));
  }

  /** Removes and returns the value given to `leaf`. */
  take(leaf: Tensor): Data | undefined {
    const data = this.#given.get(leaf);
    this.#given.delete(leaf);
    return data;
  }
}

/**
 * The initial value of each of a program's leaves. Random ones have a stream each, numbered in the order in which the leaves
 * were created: the same on every backend, with and without fusion, whatever was compiled before.
 */
export function firstValues(leaves: readonly Tensor[], seed: number): (leaf: Tensor) => Data {
  const drawn = leaves.filter(({ leaf }) => leaf?.kind === "state" && typeof leaf.initial === "function");
  const streams = new Map([...drawn].sort((a, b) => a.node.id - b.node.id).map((leaf, i) => [leaf, i]));
  return (leaf) => initialData(leaf, seed, streams.get(leaf) ?? 0);
}

/** The initial value of `leaf`; random ones are drawn from stream `stream` of `seed`. */
export function initialData(leaf: Tensor, seed: number, stream: number): Data {
  const kind = leaf.leaf;
  if (kind?.kind === "constant") return kind.data;
  const initial = kind?.kind === "state" ? kind.initial : 0;
  if (typeof initial === "number") return filled(leaf.dtype, leaf.size, initial);
  return typeof initial === "function" ? valuesFor(leaf, initial(new Random(seed, stream))) : initial;
}
