/**
 * Parameters and running statistics that a graph uses but that a model's named ones lack: they would be neither trained nor
 * saved. Found by comparing the leaves of the traced graph with the names.
 */
import { GraphError } from "../../common/errors.ts";
import { mutatedLeaves } from "../../graph/graph.ts";
import { formatSpec } from "../../graph/spec.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import { isFrozen, isParameter } from "../../nn/module.ts";
import { detachOp } from "../../ops/elementwise/detach.ts";

/** The parameters that a gradient of `result` can flow to, each with the label of a node that takes it. */
export function parametersOf(result: Tensor): Map<Tensor, string> {
  const found = new Map<Tensor, string>();
  const seen = new Set<Node>([result.node]);
  for (const node of seen) {
    if (node.op === detachOp || node.op.backward === undefined) continue;
    for (const t of node.inputs) {
      if (isParameter(t) && !found.has(t)) found.set(t, node.label);
      seen.add(t.node);
    }
  }
  return found;
}

/**
 * Throws GraphError naming every parameter that `result` depends on, frozen and detached ones left out, and every state that
 * `updates` of layers change, that is not among `named`.
 */
export function refuseUnnamed(result: Tensor, updates: readonly Node[], named: Iterable<Tensor>): void {
  const known = new Set(named);
  const users = parametersOf(result);
  for (const update of updates) for (const t of mutatedLeaves(update)) users.set(t, update.label);
  const missing = [...users].filter(([t]) => !known.has(t) && !isFrozen(t));
  if (missing.length === 0) return;
  const list = missing.slice(0, 5).map(([t, user]) => `${t.label} ${formatSpec(t)} of ${user}`);
  if (missing.length > list.length) list.push(`${missing.length - list.length} more`);
  throw new GraphError(
    `trainer: the model uses ${list.join(", ")}, found in none of its fields when the trainer was made; it would be neither ` +
      "trained nor saved. Searched are the fields of objects with `forward`, and arrays, plain objects, Maps and Sets in them; " +
      "not #private fields, closures, functions and objects of classes without `forward`. Keep it in such a field, or say " +
      "that it is not to be trained with nn.freeze or ops.detach",
  );
}
