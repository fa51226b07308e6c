/**
 * How a graph is being built: for training or for evaluation, with which random numbers, and which updates the layers
 * ask for on the way (running statistics). Decided when the graph is built, so a compiled step has no switches.
 */
import { GraphError } from "../common/errors.ts";
import { checkOptions } from "../common/options.ts";
import { markEvaluation, type Node, type Tensor } from "../graph/tensor.ts";
import type { RandomSource } from "../ops/random/random.ts";

export interface BuildMode {
  readonly training: boolean;
  /** What dropout draws from while training. */
  readonly random?: RandomSource;
}

const builds: { readonly mode: BuildMode; readonly updates: Node[] }[] = [];

/**
 * Runs `make` with layers in the given mode. Returns what it made and the updates that layers asked for, which belong
 * in the graph's `updates`.
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

/** Whether layers are applied for training. False outside `build`: evaluation changes nothing. */
export function isTraining(): boolean {
  return builds.at(-1)?.mode.training ?? false;
}

/** Whether `build` is at work. */
export function isBuilding(): boolean {
  return builds.length > 0;
}

/** The evaluation result of layer `who`. Outside `build`, where no mode was chosen, `gradients` of parameters refuse it. */
export function inEvaluation(who: string, y: Tensor): Tensor {
  return isBuilding() ? y : markEvaluation(y, who);
}

/** Adds an update to the graph that is being built. Throws GraphError outside `build`. */
export function addUpdate(update: Node): void {
  const current = builds.at(-1);
  if (current === undefined) throw new GraphError(`${update.label}: updates need nn.build around the layers`);
  current.updates.push(update);
}

/** The random numbers of the graph that is being built. Throws GraphError, naming `who`, where there are none. */
export function randomSource(who: string): RandomSource {
  const random = builds.at(-1)?.mode.random;
  if (random === undefined) throw new GraphError(`${who}: training needs nn.build with a RandomSource`);
  return random;
}
