/** The same values, through which no gradient flows. Fuses like any pointwise op. */
import type { Tensor } from "../../graph/tensor.ts";
import { definePointwise } from "./pointwise.ts";

export const detachOp = definePointwise<Record<string, never>>({
  name: "detach",
  args: ["x"],
  wgsl: ([x]) => `${x}`,
  scalar: ([x]) => x!,
  backward: () => [undefined],
});

/** `x` as gradients see a constant: PyTorch's Tensor.detach. f32. */
export function detach(x: Tensor): Tensor {
  return detachOp.one([x], {});
}
