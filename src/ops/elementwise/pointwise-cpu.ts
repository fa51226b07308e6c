/** The CPU body of element-wise ops and of groups of them: one loop over the elements, whatever the inputs' shapes. */

import type { BroadcastLoop } from "../../geometry/broadcast.ts";
import type { Data } from "../../graph/spec.ts";
import type { Group } from "../../kernels/elementwise/group.ts";

/**
 * Computes `group` on `tensors`, which has the data of every variable. All inputs of an element are read before its results
 * are written. `loop` may have strides of more inputs than the group has.
 */
export function runGroup(
  { inputs, steps, outputs }: Group,
  { dims, strides }: BroadcastLoop,
  tensors: Readonly<Record<string, Data>>,
): void {
  const data = inputs.map(({ name }) => tensors[name] as Data);
  const results = outputs.map(({ name }) => tensors[name] as Data);
  const size = dims.reduce((product, d) => product * d, 1);
  const at = inputs.map(() => 0);
  const index = dims.map(() => 0);
  const values: number[] = [];
  for (let e = 0; e < size; e++) {
    for (let i = 0; i < data.length; i++) values[i] = data[i]![at[i]!]!;
    for (let s = 0; s < steps.length; s++) {
      const step = steps[s]!;
      values[data.length + s] = step.scalar(step.args.map((a) => values[a]!));
    }
    for (let o = 0; o < results.length; o++) {
      const { value, flagsNonFinite } = outputs[o]!;
      if (!flagsNonFinite) results[o]![e] = values[value]!;
      else if (!Number.isFinite(values[value]!)) results[o]![0] = 1;
    }
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      const wraps = ++index[axis]! === dims[axis]!;
      if (wraps) index[axis] = 0;
      const back = wraps ? dims[axis]! - 1 : -1;
      for (let i = 0; i < data.length; i++) at[i]! -= strides[i]![axis]! * back;
      if (!wraps) break;
    }
  }
}
