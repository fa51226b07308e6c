/** The CPU body of pointwise ops and of chains of them: one loop over the output, whatever the inputs' shapes. */

import type { BroadcastLoop } from "../../geometry/broadcast.ts";
import type { Data } from "../../graph/spec.ts";
import type { Step } from "../../kernels/elementwise/chain.ts";

/** The CPU body of a chain: the composition of its steps' scalar functions. `loop` may have strides of more inputs than `names`. */
export function runChain(
  steps: readonly Step[],
  { dims, strides }: BroadcastLoop,
  tensors: Readonly<Record<string, Data>>,
  names: readonly string[],
): void {
  const out = tensors.result as Data;
  const inputs = names.map((n) => tensors[n] as Data);
  const at = inputs.map(() => 0);
  const index = dims.map(() => 0);
  const values: number[] = [];
  for (let e = 0; e < out.length; e++) {
    for (let i = 0; i < inputs.length; i++) values[i] = inputs[i]![at[i]!]!;
    for (let s = 0; s < steps.length; s++) {
      const step = steps[s]!;
      values[inputs.length + s] = step.scalar(step.args.map((a) => values[a]!));
    }
    out[e] = values[inputs.length + steps.length - 1]!;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      const wraps = ++index[axis]! === dims[axis]!;
      if (wraps) index[axis] = 0;
      const back = wraps ? dims[axis]! - 1 : -1;
      for (let i = 0; i < inputs.length; i++) at[i]! -= strides[i]![axis]! * back;
      if (!wraps) break;
    }
  }
}
