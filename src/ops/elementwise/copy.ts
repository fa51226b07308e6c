/** The same values in other storage. The planner inserts copies where an allocation can have only one owner. */
import type { DefinedOp } from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { same } from "./dtypes.ts";
import { definePointwise } from "./pointwise.ts";

export const copyOp: DefinedOp<Record<string, never>> = definePointwise<Record<string, never>>({
  name: "copy",
  args: ["x"],
  dtype: same,
  wgsl: ([x]) => `${x}`,
  scalar: ([x]) => x!,
  backward: ({ grads: [dy] }) => [dy],
});

/** A copy of a tensor of any dtype. */
export function copy(x: Tensor): Tensor {
  return copyOp.one([x], {});
}
