/** The first values of leaves: the same numbers on every backend. */
import { Random } from "../common/random.ts";
import type { Data, DType } from "../graph/spec.ts";
import { type Tensor, valuesFor } from "../graph/tensor.ts";

/** A zeroed array for values of `dtype`. Floats are wide: what is narrower rounds them itself. */
function makeData(dtype: DType, length: number): Data {
  if (dtype === "f32") return new Float64Array(length);
  return dtype === "i32" ? new Int32Array(length) : new Uint32Array(length);
}

/** Values that states have been given on a backend before a compiled graph puts them there. */
export class StartValues {
  readonly #given = new WeakMap<Tensor, Data>();

  get(leaf: Tensor): Data | undefined {
    return this.#given.get(leaf);
  }

  /** Throws as `valuesFor`. */
  set(leaf: Tensor, data: Data): void {
    this.#given.set(leaf, valuesFor(leaf, data));
  }

  /** The value given to `leaf`, which the backend now holds. */
  take(leaf: Tensor): Data | undefined {
    const data = this.#given.get(leaf);
    this.#given.delete(leaf);
    return data;
  }
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
  if (typeof initial === "number") return makeData(leaf.dtype, leaf.size).fill(initial);
  return typeof initial === "function" ? valuesFor(leaf, initial(new Random(seed, stream))) : initial;
}
