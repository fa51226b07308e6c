/**
 * A data set in memory: samples of one shape, one after the other, with a class number or target values each. Bytes
 * stay bytes, so that a device can hold pixels four to a word. Plain data and functions on it; nothing is copied
 * unless said. Refuses (see `validateDataset`) empty sets, lengths that don't match, NaN, labels out of range.
 */
import { DataError, ValueError } from "../common/errors.ts";
import { isPromise, shown } from "../common/options.ts";
import { Random } from "../common/random.ts";
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
  /** Number of classes; there exactly when the labels are class numbers. */
  readonly classes?: number;
  readonly classNames?: readonly string[];
  /** Shape of one sample's target values; default [1]. Only with target values. */
  readonly labelShape?: readonly number[];
  /** Names of the values of one sample, where they are columns of a table. */
  readonly columns?: readonly string[];
}

/** Numbers in one sample of this shape. */
export function sampleSize(shape: readonly number[]): number {
  return shape.reduce((size, extent) => size * extent, 1);
}

/** Labels in one sample: 1 for classes. */
export function labelSize(dataset: Dataset): number {
  return dataset.labels instanceof Int32Array ? 1 : sampleSize(dataset.labelShape ?? [1]);
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
 * Bytes as words for upload: byte i is bits 8 (i & 3) .. 8 (i & 3) + 7 of word i >> 2. A view where the bytes allow
 * it (start and length in whole words), otherwise a copy with zeros at the end.
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

/** The first n samples (fewer if there are fewer), without copying. With a seed, n samples picked at random, copied. */
export function subset(dataset: Dataset, n: number, seed?: number): Dataset {
  checkForm("subset", dataset);
  if (!Number.isInteger(n) || n < 1) {
    throw new ValueError(`subset: needs a whole number of at least 1 samples, got ${shown(n)}`);
  }
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

/** The samples with these indices, in this order, copied; an index may come more than once. */
export function take(dataset: Dataset, indices: ArrayLike<number>, split = dataset.split): Dataset {
  checkForm("take", dataset);
  const { inputs, labels } = dataset;
  const size = sampleSize(inputs.shape);
  const perLabel = labelSize(dataset);
  const count = indices.length;
  const data =
    inputs.data instanceof Uint8Array ? new Uint8Array(count * size) : new Float32Array(count * size);
  const picked =
    labels instanceof Int32Array ? new Int32Array(count * perLabel) : new Float32Array(count * perLabel);
  for (let to = 0; to < count; to++) {
    const from = indices[to] as number;
    if (!Number.isInteger(from) || from < 0 || from >= dataset.count) {
      throw new ValueError(
        `take: index ${from} at position ${to} is outside the ${dataset.count} samples of ${titleOf(dataset)}`,
      );
    }
    data.set(inputs.data.subarray(from * size, (from + 1) * size), to * size);
    picked.set(labels.subarray(from * perLabel, (from + 1) * perLabel), to * perLabel);
  }
  return { ...dataset, split, count, inputs: { ...inputs, data }, labels: picked };
}

/** For errors: "data set mnist/train". */
export const titleOf = (dataset: Pick<Dataset, "name" | "split">) =>
  `data set ${dataset.name}/${dataset.split}`;

/** Refuses what has not the fields of a data set in memory, and says what to write. Values are not looked at. */
export function checkForm(who: string, data: unknown): asserts data is Dataset {
  const fail = (what: string): never => {
    throw new DataError(`${who}: ${what}`);
  };
  if (isPromise(data)) fail("got a promise in place of a data set; await it first");
  if (typeof data !== "object" || data === null || !("inputs" in data && "labels" in data)) {
    const both = typeof data === "object" && data !== null && "train" in data;
    fail(
      `needs a data set, an object { name, split, count, inputs: { data, shape }, labels }, got ${shown(data)}; ${
        both ? "give its part `train` or `test`" : "`datasets` and `data` have functions that make one"
      }`,
    );
  }
  const { inputs, labels, count } = data as { inputs: unknown; labels: unknown; count?: unknown };
  if (typeof inputs !== "object" || inputs === null || !("shape" in inputs && Array.isArray(inputs.shape))) {
    fail(`inputs must be { data, shape }, shape that of one sample, got ${shown(inputs)}`);
  }
  const held = inputs as SampleArray;
  if (readable(held) === undefined) {
    const { data: values } = held;
    if (!(values instanceof Uint8Array || values instanceof Float32Array)) {
      fail(`inputs.data must be a Uint8Array or a Float32Array, got ${shown(values)}`);
    }
  }
  if (typeof count !== "number") fail(`count must be the number of samples, got ${shown(count)}`);
  if (!(labels instanceof Int32Array || labels instanceof Float32Array)) {
    const texts = Array.isArray(labels) && typeof labels[0] === "string";
    fail(
      `labels must be an Int32Array of class numbers or a Float32Array of values, got ${shown(labels)}${
        texts ? "; number the classes from 0, give how many as `classes` and their names as `classNames`" : ""
      }`,
    );
  }
}

/**
 * Throws a DataError that names the first thing that is wrong; returns the data set otherwise. `ignored`: a label that need
 * not be a class.
 */
export function validateDataset(dataset: Dataset, ignored?: number): Dataset {
  checkForm(`data set ${dataset?.name}/${dataset?.split}`, dataset);
  const { count, inputs, labels, classes, classNames, labelShape, columns } = dataset;
  const fail = (what: string): never => {
    throw new DataError(`${titleOf(dataset)}: ${what}`);
  };
  if (!Number.isInteger(count) || count < 1) fail(`must hold at least one sample, count is ${count}`);
  const checkShape = (what: string, shape: readonly number[]) => {
    if (shape.some((extent) => !Number.isInteger(extent) || extent < 1)) {
      fail(`${what} must be whole numbers of at least 1, got [${shape.join(", ")}]`);
    }
  };
  const checkLength = (what: string, length: number, shape: readonly number[]) => {
    const expected = count * sampleSize(shape);
    if (length !== expected) {
      fail(`${what} must hold ${expected} values (${count} of [${shape.join(", ")}]), got ${length}`);
    }
  };
  const checkFinite = (what: string, values: Float32Array, each: number) => {
    const at = values.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) fail(`${what} ${at % each} of sample ${Math.floor(at / each)} is ${values[at]}`);
  };

  checkShape("inputs.shape", inputs.shape);
  // What has not been loaded is checked by who reads it.
  if (readable(inputs) === undefined) {
    checkLength("inputs.data", inputs.data.length, inputs.shape);
    if (inputs.data instanceof Float32Array) checkFinite("input", inputs.data, sampleSize(inputs.shape));
  }
  if (columns !== undefined && columns.length !== sampleSize(inputs.shape)) {
    fail(`has ${sampleSize(inputs.shape)} values per sample but ${columns.length} column names`);
  }
  for (const [key, value] of [
    ["scale", inputs.scale],
    ["offset", inputs.offset],
  ] as const) {
    if (value !== undefined && !Number.isFinite(value)) fail(`inputs.${key} must be finite, got ${value}`);
  }

  if (!(labels instanceof Int32Array)) {
    if (classes !== undefined)
      fail("has both `classes` and target values; class numbers belong in an Int32Array");
    const shape = labelShape ?? [1];
    checkShape("labelShape", shape);
    checkLength("labels", labels.length, shape);
    checkFinite("target", labels, sampleSize(shape));
    return dataset;
  }
  checkLength("labels", labels.length, [1]);
  if (classes === undefined || !Number.isInteger(classes) || classes < 1) {
    return fail(`class labels need the number of classes in \`classes\`, got ${classes}`);
  }
  if (classNames !== undefined && classNames.length !== classes) {
    fail(`has ${classes} classes but ${classNames.length} class names`);
  }
  const bad = labels.findIndex((label) => (label < 0 || label >= classes) && label !== ignored);
  if (bad >= 0) fail(`label ${labels[bad]} of sample ${bad} is outside 0 .. ${classes - 1}`);
  return dataset;
}
