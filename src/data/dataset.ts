/**
 * A data set in memory: samples of one shape, one after the other, with a class number or target values for each. Bytes
 * stay bytes, so that a device can hold four pixels per 32-bit word. A data set is plain data; the functions here select
 * samples from it and check it (`validateDataset`). Nothing is copied unless the function says so.
 */

import { Random } from "../numbers/random.ts";
import { DataError, ValueError } from "../validation/errors.ts";
import { expectFormat, expectValue } from "../validation/expect.ts";
import { isPromise, shown } from "../validation/options.ts";
import { firstOf, readable, type SampleArray } from "./lazy-inputs.ts";

export interface Dataset {
  readonly name: string;
  /** "train", "test", "all" or a name of the user's. */
  readonly split: string;
  /** Number of samples. */
  readonly count: number;
  readonly inputs: SampleArray;
  /** Class numbers (Int32Array, one per sample), or target values (Float32Array, `labelShape` per sample). */
  readonly labels: Int32Array | Float32Array;
  /** Number of classes; present exactly when the labels are class numbers. */
  readonly classes?: number;
  readonly classNames?: readonly string[];
  /** Shape of one sample's target values; default [1]. Only with target values. */
  readonly labelShape?: readonly number[];
  /** Names of the values of one sample, where they are columns of a table. */
  readonly columns?: readonly string[];
}

/** Class names of sets of handwritten digits. */
export const DIGIT_NAMES: readonly string[] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/** A validated data set with one class per name. Throws FormatError, naming `source`, if there are no samples. */
export function datasetOfClasses(
  { name, split }: Pick<Dataset, "name" | "split">,
  inputs: SampleArray,
  labels: ArrayLike<number>,
  classNames: readonly string[],
  source = name,
): Dataset {
  const count = labels.length;
  expectFormat(count > 0, `${source}: holds no samples`);
  const classes = classNames.length;
  return validateDataset({
    name,
    split,
    count,
    inputs,
    labels: Int32Array.from(labels),
    classes,
    classNames,
  });
}

/** Number of values in a sample of this shape. */
export function sampleSize(shape: readonly number[]): number {
  return shape.reduce((size, extent) => size * extent, 1);
}

/** Number of labels per sample: 1 for classes. */
export function labelSize({ classes, labelShape = [1] }: Pick<Dataset, "classes" | "labelShape">): number {
  return classes === undefined ? sampleSize(labelShape) : 1;
}

/** Sample i as the network sees it, scaled and shifted. */
export function readSample(dataset: Pick<Dataset, "inputs">, i: number): Float32Array {
  const { data, shape, scale = 1, offset = 0 } = dataset.inputs;
  const size = sampleSize(shape);
  const sample = new Float32Array(size);
  for (let j = 0; j < size; j++) sample[j] = (data[i * size + j] as number) * scale + offset;
  return sample;
}

/**
 * Bytes as 32-bit words for upload: byte i is bits 8 (i & 3) .. 8 (i & 3) + 7 of word i >> 2. A view where start and
 * length are multiples of four bytes, otherwise a copy padded with zeros.
 */
export function packBytes(bytes: Uint8Array): Uint32Array<ArrayBufferLike> {
  const words = Math.ceil(bytes.length / 4);
  if (bytes.byteOffset % 4 === 0 && bytes.length % 4 === 0) {
    return new Uint32Array(bytes.buffer, bytes.byteOffset, words);
  }
  const padded = new Uint8Array(words * 4);
  padded.set(bytes);
  return new Uint32Array(padded.buffer);
}

/** The first n samples, or all if there are fewer, without copying. With a seed: n random samples, copied. */
export function subset(dataset: Dataset, n: number, seed?: number): Dataset {
  checkForm("subset", dataset);
  expectValue(
    Number.isInteger(n) && n >= 1,
    `subset: needs a whole number of at least 1 samples, got ${shown(n)}`,
  );
  const count = Math.min(n, dataset.count);
  if (seed !== undefined)
    return take(dataset, new Random(seed).permutation(dataset.count).subarray(0, count));
  const { inputs, labels } = dataset;
  return {
    ...dataset,
    count,
    inputs: firstOf(inputs, count * sampleSize(inputs.shape)),
    labels: labels.subarray(0, count * labelSize(dataset)),
  };
}

/** The samples with these indices, in this order, copied. An index may occur more than once. */
export function take(dataset: Dataset, indices: ArrayLike<number>, split = dataset.split): Dataset {
  checkForm("take", dataset);
  const { inputs, labels } = dataset;
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i] as number;
    if (Number.isInteger(index) && index >= 0 && index < dataset.count) continue;
    throw new ValueError(
      `take: index ${index} at position ${i} is outside the ${dataset.count} samples of ${titleOf(dataset)}`,
    );
  }
  const data = takeRows(inputs.data, sampleSize(inputs.shape), indices);
  const picked = takeRows(labels, labelSize(dataset), indices);
  return { ...dataset, split, count: indices.length, inputs: { ...inputs, data }, labels: picked };
}

function takeRows<Values extends Uint8Array | Int32Array | Float32Array>(
  values: Values,
  size: number,
  indices: ArrayLike<number>,
): Values {
  const kind = [Uint8Array, Int32Array].find((type) => values instanceof type) ?? Float32Array;
  const out = new kind(size * indices.length);
  for (let i = 0; i < indices.length; i++) {
    const from = (indices[i] as number) * size;
    out.set(values.subarray(from, from + size), i * size);
  }
  return out as Values;
}

/** For errors: "data set mnist/train". */
export const titleOf = (dataset: Pick<Dataset, "name" | "split">) =>
  `data set ${dataset.name}/${dataset.split}`;

function expectData(holds: unknown, message: string): asserts holds {
  if (!holds) throw new DataError(message);
}

/** Throws DataError, naming `who`, unless `data` has the fields of a data set in memory. Values are not looked at. */
export function checkForm(who: string, data: unknown): asserts data is Dataset {
  expectData(!isPromise(data), `${who}: got a promise in place of a data set; await it first`);
  const isObject = typeof data === "object" && data !== null;
  const advice =
    isObject && "train" in data
      ? "give its part `train` or `test`"
      : "`datasets` and `data` have functions that make one";
  expectData(
    isObject && "inputs" in data && "labels" in data,
    `${who}: needs a data set, an object { name, split, count, inputs: { data, shape }, labels }, got ${shown(data)}; ${advice}`,
  );
  const { inputs, labels, count } = data as { inputs: unknown; labels: unknown; count?: unknown };
  expectData(
    typeof inputs === "object" && inputs !== null && "shape" in inputs && Array.isArray(inputs.shape),
    `${who}: inputs must be { data, shape }, shape that of one sample, got ${shown(inputs)}`,
  );
  // Looking at `data` of inputs that are not in memory would load them.
  if (readable(inputs as SampleArray) === undefined) {
    const { data: values } = inputs as SampleArray;
    expectData(
      values instanceof Uint8Array || values instanceof Float32Array,
      `${who}: inputs.data must be a Uint8Array or a Float32Array, got ${shown(values)}`,
    );
  }
  expectData(typeof count === "number", `${who}: count must be the number of samples, got ${shown(count)}`);
  const hint = "; number the classes from 0, give how many as `classes` and their names as `classNames`";
  expectData(
    labels instanceof Int32Array || labels instanceof Float32Array,
    `${who}: labels must be an Int32Array of class numbers or a Float32Array of values, got ${shown(labels)}` +
      (Array.isArray(labels) && typeof labels[0] === "string" ? hint : ""),
  );
}

/**
 * Returns the data set. Throws a DataError that names the first fault: no samples, lengths that don't match the shapes,
 * numbers that are not finite, labels that are no classes. `ignored`: a label that need not be a class.
 */
export function validateDataset(dataset: Dataset, ignored?: number): Dataset {
  checkForm(`data set ${dataset?.name}/${dataset?.split}`, dataset);
  const { count, inputs, labels, classes, classNames, labelShape = [1], columns } = dataset;
  const check = (holds: boolean, what: string) => expectData(holds, `${titleOf(dataset)}: ${what}`);
  const checkShape = (what: string, shape: readonly number[]) =>
    check(
      shape.every((extent) => Number.isInteger(extent) && extent >= 1),
      `${what} must be whole numbers of at least 1, got [${shape.join(", ")}]`,
    );
  const checkLength = (what: string, length: number, shape: readonly number[]) => {
    const expected = count * sampleSize(shape);
    check(
      length === expected,
      `${what} must hold ${expected} values (${count} of [${shape.join(", ")}]), got ${length}`,
    );
  };
  const checkFinite = (what: string, values: Float32Array, each: number) => {
    const at = values.findIndex((value) => !Number.isFinite(value));
    check(at < 0, `${what} ${at % each} of sample ${Math.floor(at / each)} is ${values[at]}`);
  };

  check(Number.isInteger(count) && count >= 1, `must hold at least one sample, count is ${count}`);
  checkShape("inputs.shape", inputs.shape);
  const size = sampleSize(inputs.shape);
  // Inputs that are not in memory are checked where they are read.
  if (readable(inputs) === undefined) {
    checkLength("inputs.data", inputs.data.length, inputs.shape);
    if (inputs.data instanceof Float32Array) checkFinite("input", inputs.data, size);
  }
  check(
    columns === undefined || columns.length === size,
    `has ${size} values per sample but ${columns?.length} column names`,
  );
  for (const key of ["scale", "offset"] as const) {
    const value = inputs[key] ?? 0;
    check(Number.isFinite(value), `inputs.${key} must be finite, got ${value}`);
  }

  if (labels instanceof Float32Array) {
    check(
      classes === undefined,
      "has both `classes` and target values; class numbers belong in an Int32Array",
    );
    checkShape("labelShape", labelShape);
    checkLength("labels", labels.length, labelShape);
    checkFinite("target", labels, sampleSize(labelShape));
    return dataset;
  }
  checkLength("labels", labels.length, [1]);
  const most = classes ?? Number.NaN;
  check(
    Number.isInteger(most) && most >= 1,
    `class labels need the number of classes in \`classes\`, got ${classes}`,
  );
  check(
    classNames === undefined || classNames.length === classes,
    `has ${classes} classes but ${classNames?.length} class names`,
  );
  const bad = labels.findIndex((label) => (label < 0 || label >= most) && label !== ignored);
  check(bad < 0, `label ${labels[bad]} of sample ${bad} is outside 0 .. ${most - 1}`);
  return dataset;
}
