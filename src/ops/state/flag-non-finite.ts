/** The update that watches values: a flag in a state tells that one of them was NaN or infinite. */
import { type DefinedOp, defineOp, expectOne, expectSpec } from "../../graph/op.ts";
import type { Data } from "../../graph/spec.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import { type Group, groupKernels, parseShapes, shapesText } from "../../kernels/elementwise/group.ts";
import { runGroup } from "../elementwise/pointwise-cpu.ts";

const group: Group = {
  inputs: [{ name: "value", dtype: "f32" }],
  steps: [],
  outputs: [{ name: "flag", dtype: "u32", value: 0, flagsNonFinite: true }],
};

export const flagNonFiniteOp: DefinedOp<Record<string, never>> = defineOp({
  name: "flagNonFinite",
  args: ["flag", "value"],
  results: [],
  mutates: ["flag"],
  plan([flag, value], _attrs: Record<string, never>) {
    expectOne("flagNonFinite", "flag", flag, "u32");
    const spec = expectSpec("flagNonFinite", "value", value, value?.shape.length ?? 0);
    return { outputs: [], constants: { shapes: shapesText([spec]) } };
  },
  cpu(tensors, constants) {
    runGroup(constants, () => group, tensors as Record<string, Data>);
  },
  kernels: ({ shapes }, env) => groupKernels("flagNonFinite", group, parseShapes(shapes), env),
});

/**
 * An update: `flag`, a state u32 `[1]`, becomes 1 if an element of `value`, f32, is NaN or infinite, and stays as it is
 * otherwise. Throws ShapeError.
 */
export function flagNonFinite(flag: Tensor, value: Tensor): Node {
  return flagNonFiniteOp.node([flag, value], {});
}
