/** Seeded numbers, and states that start with given ones. */

import type { Data } from "../../src/graph/spec.ts";
import { state, type Tensor } from "../../src/graph/tensor.ts";
import { Random } from "../../src/numbers/random.ts";

export const numbers = (length: number, stream: number, low = -1, high = 1) => {
  const random = new Random(5, stream);
  return Float32Array.from({ length }, () => random.uniform(low, high));
};

/** A state that starts as `data`. */
export const stateOf = (data: Data | readonly number[], label = "state"): Tensor => {
  const values = Array.isArray(data) ? Float32Array.from(data) : (data as Data);
  return state([values.length], values, values instanceof Uint32Array ? "u32" : "f32", label);
};
