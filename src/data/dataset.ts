/**
 * A data set in memory: samples of one shape, one after the other, with a class number or target values for each. Bytes
 * stay bytes, so that a device can hold four pixels per 32-bit word. A data set is plain data; the functions here select
 * samples from it and check it (`validateDataset`). Nothing is copied unless the function says so.
 */

import { Random } from "../numbers/random.ts";
import { ValueError } from "../validation/errors.ts";
import { expectFormat, expectValue } from "../validation/expect.ts";
import { isPromise, shown } from "../validation/options.ts";
import {
  arrayOf,
  type Column,
  type ColumnDataset,
  type ColumnDtype,
  type ColumnValues,
  dtypeOf,
  hasColumns,
} from "./columns.ts";
import { dataChecks, expectData, sampleSize, titleOf } from "./dataset-checks.ts";
import { firstOf, holdsWhole, readable, type SampleArray } from "./lazy-inputs.ts";

export interface Dataset {
  readonly name: string;
  /** "train", "test", "all" or a name of the user's. */
  readonly split: string;
  /** Number of samples. */
  readonly count: number;
  readonly inputs: SampleArray;
  /** Class numbers (Int32Array), or target values (Float32Array). */
  readonly labels: Int32Array | Float32Array;
  /** Number of classes; present exactly when the labels are class numbers. */
  readonly classes?: number;
  readonly classNames?: readonly string[];
  /**
   * Shape of one sample's labels: of target values, by default [1], or of class numbers per position or pixel, such as [H, W];
   * by default one class number.
   */
  readonly labelShape?: readonly number[];
  /** Names of the values of one sample, where they are columns of a table. */
  readonly columns?: readonly string[];
}

export { sampleSize, titleOf } from "./dataset-checks.ts";

/** A data set in memory, with inputs and labels or with named columns. */
export type InMemory = Dataset | ColumnDataset;

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

/** Shape of one sample's labels as a training step gets them: [] for one class number. */
export function labelShapeOf({ classes, labelShape }: Pick<Dataset, "classes" | "labelShape">) {
  return labelShape ?? (classes === undefined ? [1] : []);
}

/** Number of labels per sample: 1 for classes without a labelShape. */
export function labelSize(dataset: Pick<Dataset, "classes" | "labelShape">): number {
  return sampleSize(labelShapeOf(dataset));
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
export function subset<Set extends InMemory>(dataset: Set, n: number, seed?: number): Set {
  checkInMemory("subset", dataset);
  expectValue(
    Number.isInteger(n) && n >= 1,
    `subset: needs a whole number of at least 1 samples, got ${shown(n)}`,
  );
  const count = Math.min(n, dataset.count);
  if (seed !== undefined)
    return take(dataset, new Random(seed).permutation(dataset.count).subarray(0, count));
  if (hasColumns(dataset)) {
    const first = ({ data, shape }: Column) => data.subarray(0, count * sampleSize(shape));
    return { ...eachColumn(dataset, first), count };
  }
  const { inputs, labels } = dataset;
  return {
    ...dataset,
    count,
    inputs: firstOf(inputs, count * sampleSize(inputs.shape)),
    labels: labels.subarray(0, count * labelSize(dataset)),
  };
}

/** The samples with these indices, in this order, copied. An index may occur more than once. */
export function take<Set extends InMemory>(
  dataset: Set,
  indices: ArrayLike<number>,
  split = dataset.split,
): Set {
  checkInMemory("take", dataset);
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i] as number;
    if (Number.isInteger(index) && index >= 0 && index < dataset.count) continue;
    throw new ValueError(
      `take: index ${index} at position ${i} is outside the ${dataset.count} samples of ${titleOf(dataset)}`,
    );
  }
  const count = indices.length;
  if (hasColumns(dataset)) {
    const taken = ({ data, shape }: Column) => takeRows(data, sampleSize(shape), indices);
    return { ...eachColumn(dataset, taken), split, count };
  }
  const { inputs, labels } = dataset;
  const data = takeRows(inputs.data, sampleSize(inputs.shape), indices);
  const picked = takeRows(labels, labelSize(dataset), indices);
  return { ...dataset, split, count, inputs: { ...inputs, data }, labels: picked };
}

function takeRows<Values extends ColumnValues>(
  values: Values,
  size: number,
  indices: ArrayLike<number>,
): Values {
  const out = arrayOf(dtypeOf(values) as ColumnDtype, size * indices.length);
  for (let i = 0; i < indices.length; i++) {
    const from = (indices[i] as number) * size;
    out.set(values.subarray(from, from + size), i * size);
  }
  return out as Values;
}

/** The same change of every column. */
function eachColumn<Set extends ColumnDataset>(dataset: Set, change: (column: Column) => ColumnValues): Set {
  const columns = Object.entries(dataset.columns).map(([name, column]) => [
    name,
    { ...column, data: change(column) },
  ]);
  return { ...dataset, columns: Object.fromEntries(columns) };
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
      values instanceof Uint8Array || values instanceof Float32Array || values instanceof Int32Array,
      `${who}: inputs.data must be a Uint8Array, a Float32Array or (tokens) an Int32Array, got ${shown(values)}`,
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

/** Throws DataError, naming `who`, unless `data` has the fields of either kind of data set in memory. */
export function checkInMemory(who: string, data: unknown): asserts data is InMemory {
  if (!hasColumns(data)) return checkForm(who, data);
  expectData(!("read" in data), `${who}: needs a data set in memory, but ${titleOf(data)} is read in parts`);
  expectData(
    typeof data.count === "number",
    `${who}: count must be the number of samples, got ${shown(data.count)}`,
  );
}

/**
 * Returns the data set. Throws a DataError that names the first fault: no samples, lengths that don't match the shapes,
 * numbers that are not finite, labels that are no classes. `ignored`: a label that need not be a class.
 */
export function validateDataset(dataset: Dataset, ignored?: number): Dataset {
  checkForm(`data set ${dataset?.name}/${dataset?.split}`, dataset);
  const { inputs, labels, classes, classNames, columns } = dataset;
  const labelShape = labelShapeOf(dataset);
  const { check, checkShape, checkLength, checkFinite, checkClasses, checkCount } = dataChecks(dataset);

  checkCount();
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
  const { scale = 1, offset = 0 } = inputs;
  check(
    !holdsWhole(inputs) || (scale === 1 && offset === 0),
    `inputs.data of whole numbers (Int32Array) can't be scaled, got scale ${scale} and offset ${offset}; take a Float32Array`,
  );

  check(Array.isArray(labelShape), `labelShape must be that of one sample, got ${shown(labelShape)}`);
  checkShape("labelShape", labelShape);
  if (labels instanceof Float32Array) {
    check(
      classes === undefined,
      "has both `classes` and target values; class numbers belong in an Int32Array",
    );
    checkLength("labels", labels.length, labelShape);
    checkFinite("target", labels, sampleSize(labelShape));
    return dataset;
  }
  checkLength("labels", labels.length, labelShape.length === 0 ? [1] : labelShape);
  const most = classes ?? Number.NaN;
  check(
    Number.isInteger(most) && most >= 1,
    `class labels need the number of classes in \`classes\`, got ${classes}`,
  );
  check(
    classNames === undefined || classNames.length === classes,
    `has ${classes} classes but ${classNames?.length} class names`,
  );
  checkClasses("label", labels, labelSize(dataset), most, ignored);
  return dataset;
}
