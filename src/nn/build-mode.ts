/**
 * The mode in which a graph is being built: for training or evaluation, with which random numbers; and the updates that
 * layers request meanwhile (running statistics). The mode is fixed when the graph is built, so a compiled step has no
 * branches.
 */

import { markEvaluation, type Node, type Tensor } from "../graph/tensor.ts";
import type { RandomSource } from "../ops/random/random.ts";
import { GraphError } from "../validation/errors.ts";
import { checkOptions } from "../validation/options.ts";

export interface BuildMode {
  readonly training: boolean;
  /** Random numbers for dropout and random transforms, in training. */
  readonly random?: RandomSource;
}

const builds: { readonly mode: BuildMode; readonly updates: Node[] }[] = [];

/**
 * Runs `make` with layers in the given mode. Returns its result and the updates that layers requested, which belong in
 * the graph's `updates`.
 */
export function build<T>(mode: BuildMode, make: () => T): { result: T; updates: Node[] } {
  checkOptions("nn.build", mode, { training: "boolean", random: "object" });
  const updates: Node[] = [];
  builds.push({ mode, updates });
  try {
    return { result: make(), updates };
  } finally {
    builds.pop();
  }
}

/** Whether layers are applied for training. False outside `build`. */
export function isTraining(): boolean {
  return builds.at(-1)?.mode.training ?? false;
}

/** Whether the caller runs within `build`. */
export function isBuilding(): boolean {
  return builds.length > 0;
}

/**
 * The result of layer `who` in evaluation. Outside `build`, where no mode was chosen, it is marked so that `gradients` of
 * parameters refuses it.
 */
export function inEvaluation(who: string, y: Tensor): Tensor {
  return isBuilding() ? y : markEvaluation(y, who);
}

/** Adds an update to the graph that is being built. Throws GraphError outside `build`. */
export function addUpdate(update: Node): void {
  const current = builds.at(-1);
  if (current === undefined) throw new GraphError(`${update.label}: updates need nn.build around the layers`);
  current.updates.push(update);
}

/** The random numbers of the graph that is being built. Throws GraphError, naming `who`, if `build` was given none. */
export function randomSource(who: string): RandomSource {
  const random = builds.at(-1)?.mode.random;
  if (random === undefined) throw new GraphError(`${who}: training needs nn.build with a RandomSource`);
  return random;
}
