/**
 * The search for NaN: before each training step computes everything of that step, op by op as it was built, and stops at
 * the first result that is not finite. Slow, for the hour when a run diverges and nobody knows why.
 */

import { WeftError } from "../../common/errors.ts";
import { Graph, type GraphSpec } from "../../graph/graph.ts";
import { formatSpec } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Backend } from "../../runtime/backend.ts";

/** Some op's result or gradient became NaN or infinite. */
export class AnomalyError extends WeftError {
  override readonly name = "AnomalyError";

  constructor(
    /** Name of the op, `log`. */
    readonly op: string,
    /** Label of its result: gradients begin with `gradient.`. */
    readonly label: string,
    /** From 1. */
    readonly step: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * A function that examines the step `step` (from 0) that comes next, and throws AnomalyError for the first tensor in the
 * order of computation that is not finite: states and inputs first, then results, then gradients.
 */
export async function anomalyWatch(
  backend: Backend,
  spec: GraphSpec,
  variants: Readonly<Record<string, string>>,
): Promise<(step: number) => Promise<void>> {
  const graph = new Graph(spec);
  const computed = graph.nodes
    .filter((n) => n.op.mutates.length === 0 && n.op.view === undefined)
    .flatMap((n) => n.outputs)
    .filter((t) => t.dtype === "f32");
  const states = graph
    .leaves()
    .filter((t) => t.dtype === "f32" && t.leaf?.kind === "state" && t.leaf.trainable);
  const program = await backend.compile({ outputs: computed }, { fuse: false, variants });
  return async (step) => {
    for (const t of states.filter((s) => backend.holds(s))) examine(t, await backend.read(t), step);
    program.run();
    for (const t of computed) examine(t, await program.read(t), step);
  };
}

function examine(tensor: Tensor, data: ArrayLike<number>, step: number): void {
  for (let i = 0; i < data.length; i++) {
    const value = data[i] as number;
    if (Number.isFinite(value)) continue;
    const { op, inputs } = tensor.node;
    const from =
      inputs.length === 0 ? "" : ` from ${inputs.map((t) => t.label).join(", ")}, which are finite`;
    throw new AnomalyError(
      op.name,
      tensor.label,
      step + 1,
      `training: ${op.name} (${tensor.label}, ${formatSpec(tensor)}) became ${value} at element ${i} ` +
        `in step ${step + 1}${from}`,
    );
  }
}
