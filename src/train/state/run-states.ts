/** The states that make up a run: what snapshots and checkpoints hold. */
import type { Tensor } from "../../graph/tensor.ts";

/** By the names that files give them. */
export interface RunStates {
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** States of layers that are not trained, such as running statistics. */
  readonly buffers: ReadonlyMap<string, Tensor>;
  /** Optimizer states in the pack layout of the parameters, by name. */
  readonly packed: ReadonlyMap<string, Tensor>;
  readonly step: Tensor;
  /** What only a run that goes on needs: the key of its generator, the learning rate that the host set last. */
  readonly live: ReadonlyMap<string, Tensor>;
}

/** Name in `packed` of averaged weights. */
export const AVERAGE = "average";
/** Names in `live`. */
export const KEY = "trainer.key";
export const LEARNING_RATE = "trainer.learningRate";

/** Every state that a saved run has. */
export function allStates({ parameters, buffers, packed, step }: RunStates): Tensor[] {
  return [...parameters.values(), ...buffers.values(), ...packed.values(), step];
}

/** 16 hexadecimal digits, different for every run. */
export const newRun = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
