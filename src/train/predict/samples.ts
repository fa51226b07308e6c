/** Samples that a model predicts, in the form that data sets have, and what is predicted for them. */

import { sampleSize } from "../../data/dataset.ts";
import { readable, type SampleArray } from "../../data/lazy-inputs.ts";
import { formatShape, type Shape } from "../../graph/spec.ts";
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
