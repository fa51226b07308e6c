/**
 * A probe runs a run's model on samples of the page, with the current weights, also during training: it returns probabilities
 * and feature maps.
 */
import { data } from "../src/index.ts";

/** A feature map to show. */
export interface Stage {
  readonly title: string;
  readonly shape: readonly number[];
}

export interface Probe {
  /** Samples per run. */
  readonly batch: number;
  readonly stages: readonly Stage[];
  /** Runs on `batch` samples, given one after the other. Returns probabilities, then the stages. */
  run(samples: Float32Array): Promise<readonly [Float32Array, ...Float32Array[]]>;
}

/** Probes of one sample, of one sample with feature maps, and of many samples. */
export interface Probes {
  readonly one: Probe;
  readonly inside: Probe;
  readonly many: Probe;
}

/** Samples per run of `many`. */
export const MANY = 200;

/** The probabilities of a whole data set, [count, classes]. */
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
