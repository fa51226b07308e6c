/** The CPU body of element-wise ops and of groups of them: one loop over the elements, whatever the inputs' shapes. */

import type { Constants } from "../../graph/kernel.ts";
import type { Data } from "../../graph/spec.ts";
import { type Group, loopOf } from "../../kernels/elementwise/group.ts";

type Body = (tensors: Readonly<Record<string, Data>>) => void;

/** Bodies by the constants of their node: steps of small networks would otherwise spend their time preparing. */
const bodies = new WeakMap<object, Body>();

/**
 * Computes a group on `tensors`, which has the data of every variable. All inputs of an element are read before its results
 * are written. `constants`, of the node, has the text of its shapes; `groupOf` is called at the first run only.
 */
export function runGroup(
  constants: Constants & { readonly shapes: string },
  groupOf: () => Group,
  tensors: Readonly<Record<string, Data>>,
): void {
  let body = bodies.get(constants);
  if (body === undefined) {
    body = bodyOf(groupOf(), constants.shapes);
    bodies.set(constants, body);
  }
  body(tensors);
}

function bodyOf({ inputs, steps, outputs }: Group, shapes: string): Body {
  // The loop may have strides of more inputs than the group.
  const { dims, strides } = loopOf(shapes);
  const last = dims.length - 1;
  const rowLength = dims[last] ?? 1;
  const size = dims.reduce((product, d) => product * d, 1);
  const rowSteps = inputs.map((_, i) => strides[i]![last] ?? 0);
  const at = inputs.map(() => 0);
  const index = dims.map(() => 0);
  const values = [...inputs, ...steps].map(() => 0);
  const operands = steps.map(({ args }) => args.map(() => 0));
  const data: Data[] = [];
  const results: Data[] = [];
  return (tensors) => {
    for (let i = 0; i < inputs.length; i++) {
      data[i] = tensors[inputs[i]!.name]!;
      at[i] = 0;
    }
    for (let o = 0; o < outputs.length; o++) results[o] = tensors[outputs[o]!.name]!;
    for (let row = 0; row < size; row += rowLength) {
      for (let e = row; e < row + rowLength; e++) {
        for (let i = 0; i < data.length; i++) {
          values[i] = data[i]![at[i]!]!;
          at[i]! += rowSteps[i]!;
        }
        for (let s = 0; s < steps.length; s++) {
          const { args, scalar } = steps[s]!;
          const list = operands[s]!;
          for (let k = 0; k < args.length; k++) list[k] = values[args[k]!]!;
          values[data.length + s] = scalar(list);
        }
        for (let o = 0; o < results.length; o++) {
          const { value, flagsNonFinite } = outputs[o]!;
          if (!flagsNonFinite) results[o]![e] = values[value]!;
          else if (!Number.isFinite(values[value]!)) results[o]![0] = 1;
        }
      }
      // To the first element of the next row.
      for (let i = 0; i < data.length; i++) at[i]! -= rowSteps[i]! * rowLength;
      for (let axis = last - 1; axis >= 0; axis--) {
        const wraps = ++index[axis]! === dims[axis]!;
        if (wraps) index[axis] = 0;
        const back = wraps ? dims[axis]! - 1 : -1;
        for (let i = 0; i < data.length; i++) at[i]! -= strides[i]![axis]! * back;
        if (!wraps) break;
      }
    }
  };
}
