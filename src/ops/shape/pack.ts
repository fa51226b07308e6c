/**
 * Many float32 tensors as one flattened tensor, without moving them: the planner allocates the inputs as slices of one buffer.
 * Parameters, gradients and moments are flattened like this, so that an optimizer updates all of them in one dispatch.
 */

import { defineOp, expectArray, shapeError } from "../../graph/op.ts";
import { packLayout } from "../../graph/pack-layout.ts";
import { sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { ShapeError } from "../../validation/errors.ts";
import { reshape } from "./reshape.ts";
import { slice } from "./slice.ts";

export const packOp = defineOp({
  name: "pack",
  args: ["...xs"],
  results: ["y"],
  view: "pack",
  plan(inputs, _attrs: Record<string, never>) {
    if (inputs.some((s) => s.dtype !== "f32")) throw shapeError("pack", "inputs must be f32", inputs);
    const { words } = packLayout(inputs.map((s) => sizeOf(s.shape)));
    return { outputs: [{ shape: [words], dtype: "f32" }], constants: {} };
  },
  cpu() {},
  backward: ({ inputs, grads: [dy] }) => unpack(dy as Tensor, inputs),
});

/** The inputs one after another in a tensor of rank 1, each starting at a multiple of 64 elements, with zeros between. */
export function pack(inputs: readonly Tensor[]): Tensor {
  expectArray("pack", "its argument", inputs);
  if (inputs.length === 0) throw new ShapeError("pack: needs at least one tensor");
  return packOp.one(inputs, {});
}

/** The parts of `x`, of the shape that `pack(like)` has, each of the shape of one of `like`. */
export function unpack(x: Tensor, like: readonly Tensor[]): Tensor[] {
  const { offsets } = packLayout(like.map((t) => t.size));
  return like.map(({ size, shape }, i) => {
    const start = offsets[i] as number;
    return reshape(slice(x, [start], [start + size]), shape);
  });
}
