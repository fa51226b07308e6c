/**
 * Looks into a run's model with samples of the page: the answer and what lies on the way to it, on the weights as they are
 * at that moment, also in the middle of training.
 */
import { data } from "../src/index.ts";

/** Something on the way to the answer, to be shown. */
export interface Stage {
  readonly title: string;
  readonly shape: readonly number[];
}

export interface Probe {
  /** Samples that go in at a time. */
  readonly batch: number;
  readonly stages: readonly Stage[];
  /** Runs on `batch` samples, one after the other: probabilities, then the stages. */
  run(samples: Float32Array): Promise<readonly [Float32Array, ...Float32Array[]]>;
}

/** Of one sample, of one with what lies on the way, and of many. */
export interface Probes {
  readonly one: Probe;
  readonly inside: Probe;
  readonly many: Probe;
}

/** Samples that `many` takes. */
export const MANY = 200;

/** Probabilities for a whole set, [count, classes]. */
export async function runAll(probe: Probe, set: data.Dataset): Promise<Float32Array> {
  const size = set.inputs.shape.reduce((product, extent) => product * extent, 1);
  const classes = set.classes ?? 1;
  const all = new Float32Array(set.count * classes);
  const samples = new Float32Array(probe.batch * size);
  for (let from = 0; from < set.count; from += probe.batch) {
    const count = Math.min(probe.batch, set.count - from);
    for (let i = 0; i < count; i++) samples.set(data.readSample(set, from + i), i * size);
    const [probabilities] = await probe.run(samples);
    all.set(probabilities.subarray(0, count * classes), from * classes);
  }
  return all;
}
