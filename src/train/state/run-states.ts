/** The states that make up a run: what snapshots and checkpoints hold. */
import type { Tensor } from "../../graph/tensor.ts";

/** By the names that files give them. */
export interface RunStates {
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** States of layers that are saved but not trained, such as running statistics. */
  readonly buffers: ReadonlyMap<string, Tensor>;
  /** Optimizer states, in the layout of the flattened parameters. */
  readonly packed: ReadonlyMap<string, Tensor>;
  readonly step: Tensor;
  /** States that only checkpoints of a running fit hold: the random key, and the learning rate set by the host. */
  readonly live: ReadonlyMap<string, Tensor>;
}

/** Name in `packed` of averaged weights. */
export const AVERAGE = "average";
/** Names in `live`. */
export const KEY = "trainer.key";
export const LEARNING_RATE = "trainer.learningRate";

/** Every state that a saved run has. */
export function savedStates({ parameters, buffers, packed, step }: RunStates): Tensor[] {
  return [...parameters.values(), ...buffers.values(), ...packed.values(), step];
}

/** 16 hexadecimal digits, different for every run. */
export function newRunId(): string {
  const bytes = Array.from(crypto.getRandomValues(new Uint8Array(8)));
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
