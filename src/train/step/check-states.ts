/** Which states a step uses and changes, and whether they are among those that are trained and saved. */

import { parametersOf } from "../../autograd.ts";
import { mutatedLeaves } from "../../graph/graph.ts";
import { formatSpec } from "../../graph/spec.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import { isFrozen } from "../../nn/module.ts";
import { GraphError } from "../../validation/errors.ts";

/**
 * Throws GraphError that names parameters on which `result` depends, and states that `updates` of layers change, if they are not
 * among `named`: they would be neither trained nor saved. Frozen and detached parameters may be missing.
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
      "trained nor saved. Searched are the fields of objects, and arrays, Maps and Sets in them; not #private fields, closures " +
      "and functions. Keep it in such a field, or say that it is not to be trained with nn.freeze or ops.detach",
  );
}

/**
 * Throws GraphError where `updates` of a step function change a state that is not in a field of the model, and would not be
 * saved, or a parameter that an optimizer changes.
 */
export function refuseForeignUpdates(
  who: string,
  updates: readonly Node[],
  parameters: Iterable<Tensor>,
  buffers: Iterable<Tensor>,
): void {
  const [trained, own] = [new Set(parameters), new Set(buffers)];
  for (const update of updates) {
    for (const t of mutatedLeaves(update)) {
      if (own.has(t)) continue;
      throw new GraphError(
        trained.has(t)
          ? `${who}: ${update.label} changes ${t.label} ${formatSpec(t)}, which an optimizer changes; nn.freeze it, or leave the update out`
          : `${who}: ${update.label} changes ${t.label} ${formatSpec(t)}, which is in no field of the model and would not be saved; ` +
              "keep it in one, as in model: { net, state }",
      );
    }
  }
}
