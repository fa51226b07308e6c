/** The same values as a constant to gradients. Fuses like any element-wise op. */
import type { Tensor } from "../../graph/tensor.ts";
import { same } from "./dtypes.ts";
import { definePointwise } from "./pointwise.ts";

export const detachOp = definePointwise<Record<string, never>>({
  name: "detach",
  args: ["x"],
  dtype: same,
  wgsl: ([x]) => `${x}`,
  scalar: ([x]) => x!,
  backward: () => [undefined],
});

/** `x` without a gradient: PyTorch's Tensor.detach. */
export function detach(x: Tensor): Tensor {
  return detachOp.one([x], {});
}

/** `detach` by the name that JAX and TensorFlow give it. */
export const stopGradient = detach;
