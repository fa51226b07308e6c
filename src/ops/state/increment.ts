/** The counter of a loop: grows by 1 at the end of each run. */
import { type DefinedOp, defineOp, expectOne } from "../../graph/op.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import { incrementKernels } from "../../kernels/optimizer/steps-and-schedules.ts";

export const incrementOp: DefinedOp<Record<string, never>> = defineOp({
  name: "increment",
  args: ["counter"],
  results: [],
  mutates: ["counter"],
  yields: true,
  plan([counter], _attrs: Record<string, never>) {
    expectOne("increment", "counter", counter, "u32");
    return { outputs: [], constants: {} };
  },
  cpu({ counter }) {
    counter[0]!++;
  },
  kernels: incrementKernels,
});

/**
 * An update: `counter`, a state u32 `[1]`, grows by 1 after everything that reads it. A graph with another update of the
 * same counter (`record`, a second `increment`) leaves this one out. Throws ShapeError.
 */
export function increment(counter: Tensor): Node {
  return incrementOp.node([counter], {});
}
