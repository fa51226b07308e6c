/** The states that make up a run: what snapshots and checkpoints hold. */
import type { Tensor } from "../tensor.ts";

/** By the names that files give them. */
export interface RunStates {
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** States of layers that are not trained, such as running statistics. */
  readonly buffers: ReadonlyMap<string, Tensor>;
  /** Optimizer states in the pack layout of the parameters, by name. */
  readonly packed: ReadonlyMap<string, Tensor>;
  readonly step: Tensor;
}

/** Every state of a run. */
export function allStates({ parameters, buffers, packed, step }: RunStates): Tensor[] {
  return [...parameters.values(), ...buffers.values(), ...packed.values(), step];
}
