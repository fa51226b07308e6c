/** The states that make up a run: what snapshots and checkpoints hold. */
import type { Tensor } from "../../graph/tensor.ts";

/** By the names that files give them. */
export interface RunStates {
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** States of layers that are saved but not trained, such as running statistics. */
  readonly buffers: ReadonlyMap<string, Tensor>;
  /** One for each phase of a step. */
  readonly optimizers: readonly OptimizerRun[];
  readonly step: Tensor;
  /** States that only checkpoints of a running fit hold: the random key, and the learning rates set by the host. */
  readonly live: ReadonlyMap<string, Tensor>;
}

/** An optimizer with what it trains. */
export interface OptimizerRun {
  /** The phase; empty for the only one. */
  readonly name: string;
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** Its states by their names, in the layout of its flattened parameters. */
  readonly packed: ReadonlyMap<string, Tensor>;
  /** f32 [1]. */
  readonly learningRate: Tensor;
  /** Its phase runs in every step whose number, from 1, is a multiple of this. */
  readonly every: number;
  /** Number of its updates, u32 [1]; the only one is counted by `step`. */
  readonly counter?: Tensor;
  /** Number of its updates that were skipped, u32 [1]; only with `skipNonFinite`. */
  readonly skipped?: Tensor;
}

/** Name in `packed` of averaged weights. */
export const AVERAGE = "average";
/** Names in `live`. */
export const KEY = "trainer.key";
export const LEARNING_RATE = "trainer.learningRate";
export const rateName = (phase: string) => `trainer.${prefixOf(phase)}learningRate`;
export const skippedName = (phase: string) => `trainer.${prefixOf(phase)}skipped`;
export const counterName = (phase: string) => `trainer.${prefixOf(phase)}updates`;
/** What stands before the names of an optimizer's states. */
export const prefixOf = (phase: string) => (phase === "" ? "" : `${phase}.`);

/** Every state that a saved run has. */
export function savedStates({ parameters, buffers, optimizers, step }: RunStates): Tensor[] {
  const packed = optimizers.flatMap((one) => [...one.packed.values()]);
  const skipped = optimizers.flatMap((one) => one.skipped ?? []);
  return [...parameters.values(), ...buffers.values(), ...packed, step, ...skipped];
}

/** What the counters of optimizers are after `step` steps. */
export function countersAt({ optimizers }: RunStates, step: number): [Tensor, Uint32Array][] {
  return optimizers.flatMap(({ counter, every }) =>
    counter === undefined ? [] : [[counter, Uint32Array.of(Math.floor(step / every))]],
  );
}

/** 16 hexadecimal digits, different for every run. */
export function newRunId(): string {
  const bytes = Array.from(crypto.getRandomValues(new Uint8Array(8)));
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
