/** Samples that a model predicts: what is checked of them, and how they are cut into batches. */

import { readSample, sampleSize } from "../../data/dataset.ts";
import { readable, type SampleArray } from "../../data/lazy-inputs.ts";
import { type Data, formatShape, type Shape, sizeOf } from "../../graph/spec.ts";
import { toData } from "../../graph/values.ts";
import { ShapeError, ValueError } from "../../validation/errors.ts";
import { shown } from "../../validation/options.ts";

/** Samples to predict; a Dataset is one too. */
export interface Samples {
  readonly count: number;
  readonly inputs: SampleArray;
}

export interface Predictions {
  /** Row-major, sample after sample. */
  readonly values: Float32Array;
  /** Shape of one sample's part of `values`: [10] for the logits of ten classes. */
  readonly shape: Shape;
}

/**
 * `samples` with their data as bytes or floats. Throws ValueError on what is no array of numbers and on a count that is no
 * whole number, ShapeError on fewer values than `count` samples have.
 */
export function checkSamples(who: string, samples: Samples): Samples {
  if (!Array.isArray(samples?.inputs?.shape) || typeof samples.count !== "number") {
    throw new ValueError(
      `${who}: samples must be a data set or { count, inputs: { data, shape } }, got ${shown(samples)}`,
    );
  }
  const { count, inputs } = samples;
  if (!Number.isInteger(count) || count < 1) {
    throw new ValueError(`${who}: count must be a whole number of at least 1, got ${shown(count)}`);
  }
  if (readable(inputs) !== undefined) return { count, inputs };
  const { data: given, shape } = inputs;
  const data = given instanceof Uint8Array ? given : toData(`${who}: inputs.data`, "f32", given);
  const needed = count * sampleSize(shape);
  if (data.length < needed) {
    throw new ShapeError(
      `${who}: ${count} samples of ${formatShape(shape)} have ${needed} values, but inputs.data has ${data.length}`,
    );
  }
  return { count, inputs: { ...inputs, data: data as SampleArray["data"] } };
}

/**
 * Predicts all samples in batches. `run` takes the values of `batch` samples, scaled, of which the last batch may have some
 * too many, and answers the outputs; `shape` is that of one output. Rejects with the reason of `signal` when that is aborted.
 */
export async function predictInBatches(
  { count, inputs }: Samples,
  batch: number,
  shape: Shape,
  run: (values: Float32Array) => Promise<Data>,
  signal?: AbortSignal,
): Promise<Predictions> {
  const [inputSize, outputSize] = [sampleSize(inputs.shape), sizeOf(shape)];
  const values = new Float32Array(count * outputSize);
  const given = new Float32Array(batch * inputSize);
  for (let first = 0; first < count; first += batch) {
    signal?.throwIfAborted();
    const used = Math.min(batch, count - first);
    for (let i = 0; i < used; i++) given.set(readSample({ inputs }, first + i), i * inputSize);
    values.set((await run(given)).subarray(0, used * outputSize), first * outputSize);
  }
  return { values, shape };
}
