/** Samples that a model is asked about, and what is checked of them. */

import { ShapeError, ValueError } from "../../common/errors.ts";
import { shown } from "../../common/options.ts";
import { sampleSize } from "../../data/dataset.ts";
import { readable, type SampleArray } from "../../data/lazy-inputs.ts";
import { formatShape } from "../../graph/spec.ts";
import { toData } from "../../graph/values.ts";

/** Samples to ask a model about: a Dataset is one too. */
export interface Samples {
  readonly count: number;
  readonly inputs: SampleArray;
}

/**
 * `samples` with their data as bytes or floats. Throws ValueError on what is no array of numbers and on a count that is no
 * whole number, ShapeError on fewer values than `count` samples have.
 */
export function checkedSamples(who: string, { count, inputs }: Samples): Samples {
  if (!Number.isInteger(count) || count < 1) {
    throw new ValueError(`${who}: count must be a whole number of at least 1, got ${shown(count)}`);
  }
  if (readable(inputs) !== undefined) return { count, inputs };
  const given = inputs.data;
  const data = given instanceof Uint8Array ? given : toData(`${who}: inputs.data`, "f32", given);
  const needed = count * sampleSize(inputs.shape);
  if (data.length < needed) {
    throw new ShapeError(
      `${who}: ${count} samples of ${formatShape(inputs.shape)} hold ${needed} values, inputs.data has ${data.length}`,
    );
  }
  return { count, inputs: { ...inputs, data: data as SampleArray["data"] } };
}
