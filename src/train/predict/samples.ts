/** Samples that a model predicts, in the form that data sets have, and what is predicted for them. */

import { type ColumnDataset, hasColumns } from "../../data/columns.ts";
import { sampleSize } from "../../data/dataset.ts";
import { titleOf } from "../../data/dataset-checks.ts";
import { readable, type SampleArray } from "../../data/lazy-inputs.ts";
import { type DType, formatShape, type Shape } from "../../graph/spec.ts";
import { toData } from "../../graph/values.ts";
import { ShapeError, ValueError } from "../../validation/errors.ts";
import { shown } from "../../validation/options.ts";

/** Samples to predict; a Dataset is one too. Of an Int32Array or Uint32Array the model gets whole numbers, of others f32. */
export interface Samples {
  readonly count: number;
  readonly inputs: Omit<SampleArray, "data"> & { readonly data: SampleArray["data"] | Uint32Array };
}

/** What the model gets of the inputs of samples. */
export function dtypeSeen(inputs: Samples["inputs"]): DType {
  if (readable(inputs as SampleArray) !== undefined) return "f32";
  return inputs.data instanceof Int32Array ? "i32" : inputs.data instanceof Uint32Array ? "u32" : "f32";
}

/** The column `inputs` of a data set of named columns as samples. Throws ValueError where it has none in memory. */
export function samplesOf(who: string, data: Samples | ColumnDataset): Samples {
  if (!hasColumns(data)) return data;
  const { count, columns } = data;
  const { inputs } = columns;
  if (inputs?.data === undefined) {
    throw new ValueError(
      `${who}: ${titleOf(data)} has no column inputs in memory (there are ${Object.keys(columns).join(", ")}); give ` +
        "{ count, inputs: { data, shape } }, or take createPredictor for several inputs by name",
    );
  }
  const { shape, scale = 1, offset = 0, as } = inputs;
  const isWhole = inputs.data instanceof Uint8Array && as === "i32";
  return {
    count,
    inputs: { data: isWhole ? Int32Array.from(inputs.data) : inputs.data, shape, scale, offset },
  };
}

export interface Predictions {
  /** Row-major, sample after sample. */
  readonly values: Float32Array;
  /** Shape of one sample's part of `values`: [10] for the logits of ten classes. */
  readonly shape: Shape;
}

/**
 * `samples` with their data as bytes or numbers of 32 bits. Throws ValueError on what is no array of numbers and on a count that is no
 * whole number, ShapeError on fewer values than `count` samples have.
 */
export function checkSamples(who: string, samples: Samples): Samples {
  if (!Array.isArray(samples?.inputs?.shape) || typeof samples.count !== "number") {
    throw new ValueError(
      `${who}: samples must be a data set or { count, inputs: { data, shape } }, got ${shown(samples)}`,
    );
  }
  const { count, inputs } = samples;
  const { scale = 1, offset = 0 } = inputs;
  const seen = dtypeSeen(inputs);
  if (seen !== "f32" && (scale !== 1 || offset !== 0)) {
    throw new ValueError(
      `${who}: inputs of ${seen} can't be scaled, got scale ${scale} and offset ${offset}`,
    );
  }
  if (!Number.isInteger(count) || count < 1) {
    throw new ValueError(`${who}: count must be a whole number of at least 1, got ${shown(count)}`);
  }
  if (readable(inputs as SampleArray) !== undefined) return { count, inputs };
  const { data: given, shape } = inputs;
  const data = given instanceof Uint8Array ? given : toData(`${who}: inputs.data`, seen, given);
  const needed = count * sampleSize(shape);
  if (data.length < needed) {
    throw new ShapeError(
      `${who}: ${count} samples of ${formatShape(shape)} have ${needed} values, but inputs.data has ${data.length}`,
    );
  }
  return { count, inputs: { ...inputs, data: data as SampleArray["data"] } };
}
