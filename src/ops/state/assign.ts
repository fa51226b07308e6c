/** The update that stores a computed value in a state. Element-wise values are stored by the kernel that computes them. */
import { broadcastShape } from "../../geometry/broadcast.ts";
import { type DefinedOp, defineOp, expectTensor, shapeError } from "../../graph/op.ts";
import { type Data, type DType, formatSpec, sameShape } from "../../graph/spec.ts";
import { isLeaf, type Node, type Tensor } from "../../graph/tensor.ts";
import { type Group, groupKernels, parseShapes, shapesText } from "../../kernels/elementwise/group.ts";
import { add } from "../elementwise/arithmetic.ts";
import { copy } from "../elementwise/copy.ts";
import { fill } from "../elementwise/fill.ts";
import { runGroup } from "../elementwise/pointwise-cpu.ts";

const groupOf = (dtype: string): Group => ({
  inputs: [{ name: "value", dtype: dtype as DType }],
  steps: [],
  outputs: [{ name: "state", dtype: dtype as DType, value: 0 }],
});

export const assignOp: DefinedOp<Record<string, never>> = defineOp({
  name: "assign",
  args: ["state", "value"],
  results: [],
  mutates: ["state"],
  plan([state, value], _attrs: Record<string, never>) {
    if (state === undefined || value === undefined || state.dtype !== value.dtype) {
      throw shapeError(
        "assign",
        "state and value must have one dtype; convert the value with ops.cast(x, dtype)",
        [state, value].filter((s) => !!s),
      );
    }
    if (!sameShape(broadcastShape("assign", [state, value]), state.shape)) {
      throw shapeError("assign", `value must have the state's shape ${formatSpec(state)}`, [value]);
    }
    return { outputs: [], constants: { dtype: state.dtype, shapes: shapesText([value, state]) } };
  },
  cpu(tensors, constants) {
    runGroup(constants, () => groupOf(constants.dtype), tensors as Record<string, Data>);
  },
  kernels: ({ dtype, shapes }, env) => groupKernels("assign", groupOf(dtype), parseShapes(shapes), env),
});

/**
 * An update: `state`, a state or a pack of states, becomes `value`, a tensor of its dtype that stretches to its shape, or a
 * number. All of a graph's values are computed from the states as they were when the run began: `assign(a, b)` beside
 * `assign(b, a)` swaps the two. A graph may assign a state once. `label` is shown in
 * messages and profiles. Throws ShapeError.
 */
export function assign(state: Tensor, value: Tensor | number, label?: string): Node {
  expectTensor("assign", "state", state);
  const tensor = typeof value === "number" ? fill([], value, state.dtype) : value;
  expectTensor("assign", "value", tensor);
  // A value that is a state itself could change before it is read.
  const source = isView(tensor) ? copy(tensor) : tensor;
  return assignOp.node([state, source], {}, label);
}

/** An update: `state`, a state or a pack of states, becomes state + value, as `assign` stores it. Throws ShapeError. */
export function assignAdd(state: Tensor, value: Tensor | number, label?: string): Node {
  expectTensor("assignAdd", "state", state);
  return assign(state, add(state, value), label);
}

function isView(t: Tensor): boolean {
  return isLeaf(t) ? t.leaf?.kind === "state" : t.node.op.view !== undefined && t.node.inputs.some(isView);
}
