/**
 * Finds the op that first computes NaN or infinity: before each training step, all results of the step are computed without
 * fusion and read back. Many times slower than training, so it is off by default (`detectAnomaly`).
 */

import { Graph, type GraphSpec } from "../../graph/graph.ts";
import { formatSpec } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Backend } from "../../runtime/backend.ts";
import { WeftError } from "../../validation/errors.ts";

/** The result or gradient of an op became NaN or infinite. */
export class AnomalyError extends WeftError {
  override readonly name = "AnomalyError";

  constructor(
    /** Name of the op, `log`. */
    readonly op: string,
    /** Label of its result; labels of gradients begin with `gradient.`. */
    readonly label: string,
    /** From 1. */
    readonly step: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * A function to call before step `step` (from 0) is taken. It throws AnomalyError for the first tensor that is not finite:
 * parameters first, then results and gradients in the order in which they are computed.
 */
export async function anomalyDetector(
  backend: Backend,
  spec: GraphSpec,
  variants: Readonly<Record<string, string>>,
): Promise<(step: number) => Promise<void>> {
  const graph = new Graph(spec);
  const computed = graph.nodes
    .filter((n) => n.op.mutates.length === 0 && n.op.view === undefined)
    .flatMap((n) => n.outputs)
    .filter((t) => t.dtype === "f32");
  const parameters = graph
    .leaves()
    .filter((t) => t.dtype === "f32" && t.leaf?.kind === "state" && t.leaf.trainable);
  const program = await backend.compile({ outputs: computed }, { fuse: false, variants });
  return async (step) => {
    for (const t of parameters.filter((p) => backend.holds(p))) check(t, await backend.read(t), step);
    program.run();
    for (const t of computed) check(t, await program.read(t), step);
  };
}

function check(tensor: Tensor, data: ArrayLike<number>, step: number): void {
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
