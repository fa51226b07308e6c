/**
 * Many float32 tensors as one flat one, without moving them: the planner lays the inputs out as slices of the pack.
 * Parameters, gradients and moments are packs, so that an optimizer is one dispatch over everything.
 */
import { ShapeError } from "../../common/errors.ts";
import { defineOp, expectArray, shapeError } from "../../graph/op.ts";
import { packLayout } from "../../graph/pack-layout.ts";
import { sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";

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
});

/** `[words]`: the inputs one after another, each starting at a multiple of 64 elements, zeros between. */
export function pack(inputs: readonly Tensor[]): Tensor {
  expectArray("pack", "its argument", inputs);
  if (inputs.length === 0) throw new ShapeError("pack: needs at least one tensor");
  return packOp.one(inputs, {});
}
