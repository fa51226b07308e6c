/**
 * Data sets from plain arrays, as NumPy saves them: `.npy` pairs and `.npz` archives. Bytes stay bytes; images whose
 * channels come last are rearranged.
 */

import { FormatError } from "../../validation/errors.ts";
import { expectFormat, expectValue } from "../../validation/expect.ts";
import { checkOptions, type OptionKinds, shown } from "../../validation/options.ts";
import { unzipReadable, ZIP, type ZipOptions } from "../archives/zip.ts";
import { MOST_NUMBER_CLASSES } from "../csv/parse-csv.ts";
import { type Dataset, sampleSize, validateDataset } from "../dataset.ts";
import type { TrainTest } from "../published/dataset-source.ts";
import { type NpyArray, parseNpy } from "./npy.ts";

export interface ArraysOptions {
  /**
   * Where images of shape [height, width, channels] have their channels; default: last, if the last extent is 1, 3 or 4
   * and the first is not.
   */
  readonly channels?: "first" | "last";
  /** What the network sees is `value * scale`; default 1 / 255 for bytes, 1 for booleans and other numbers. */
  readonly scale?: number;
  /**
   * "classes" for class numbers, "values" for regression targets. Default: "classes" for one label per sample of an integer
   * or boolean type, and for floats that are whole numbers from 0 on with at most 20 different values (as in CSV files).
   */
  readonly task?: "classes" | "values";
  readonly classNames?: readonly string[];
  /** Name of the data set, also named in errors. */
  readonly name?: string;
  /** Default "all". */
  readonly split?: string;
}

export const ARRAYS = {
  channels: ["first", "last"],
  scale: "number",
  task: ["classes", "values"],
  classNames: "array",
  name: "string",
  split: "string",
} as const satisfies OptionKinds<ArraysOptions>;

/**
 * Inputs `[count, ...]` and labels `[count]` (or targets `[count, ...]`) as a data set. Throws FormatError on arrays that
 * are empty or of different lengths, and on class labels that are not whole numbers from 0 to 65535.
 */
export function datasetFromArrays(inputs: NpyArray, labels: NpyArray, options: ArraysOptions = {}): Dataset {
  const { name = "arrays", split = "all", classNames } = checkOptions("datasetFromArrays", options, ARRAYS);
  for (const [role, array] of Object.entries({ inputs, labels })) {
    expectValue(
      Array.isArray(array?.shape),
      `${name}: ${role} must be { shape, data } as parseNpy gives it, got ${shown(array)}`,
    );
  }
  const [count = 0, ...extents] = inputs.shape;
  expectFormat(count > 0, `${name}: the inputs ${listed(inputs.shape)} hold no samples`);
  expectFormat(
    labels.shape[0] === count,
    `${name}: ${count} inputs, but labels of shape ${listed(labels.shape)}`,
  );
  const shape = extents.length === 0 ? [1] : extents;
  expectFormat(sampleSize(shape) > 0, `${name}: inputs of shape ${listed(shape)} hold nothing`);
  const isBytes = inputs.data instanceof Uint8Array;
  const data = isBytes ? inputs.data : finiteFloats(inputs.data, `${name}: input`);
  const { scale = isBytes && !isBoolean(inputs) ? 1 / 255 : 1 } = options;
  return validateDataset({
    name,
    split,
    count,
    inputs: { ...channelsFirst(data, shape, options.channels), scale },
    ...labelsOf(labels, count, options, name),
    ...(classNames ? { classNames } : {}),
  });
}

const listed = (shape: readonly number[]) => `[${shape.join(", ")}]`;

const isBoolean = ({ dtype }: NpyArray) => /b1$/.test(dtype);

/** Whether labels are class numbers unless the caller says otherwise: by type, and floats by their values. */
function areClasses({ dtype, data, shape }: NpyArray): boolean {
  if (data.length !== shape[0]) return false;
  if (!/f\d$/.test(dtype)) return true;
  const different = new Set<number>();
  return data.every((value: number) => {
    different.add(value);
    return Number.isInteger(value) && value >= 0 && different.size <= MOST_NUMBER_CLASSES;
  });
}

function labelsOf(labels: NpyArray, count: number, { task, classNames }: ArraysOptions, name: string) {
  const { data, shape } = labels;
  if (task === "values" || (task === undefined && !areClasses(labels))) {
    const rest = shape.slice(1);
    return { labels: finiteFloats(data, `${name}: label`), labelShape: rest.length === 0 ? [1] : rest };
  }
  const bad = data.findIndex((label: number) => !Number.isInteger(label) || label < 0 || label >= 65_536);
  expectFormat(
    bad < 0 && data.length === count,
    `${name}: class labels must be one whole number from 0 to 65535 per sample, got ` +
      (bad >= 0 ? `${data[bad]} at ${bad}` : `shape ${listed(shape)}`) +
      (task === undefined ? '; if they are values to predict, say `task: "values"`' : ""),
  );
  const numbers = Int32Array.from(data);
  const most = numbers.reduce((a, b) => Math.max(a, b), isBoolean(labels) ? 1 : 0);
  return { labels: numbers, classes: classNames?.length ?? most + 1 };
}

function finiteFloats(data: NpyArray["data"], where: string): Float32Array {
  const values = data instanceof Float32Array ? data : Float32Array.from(data);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  expectFormat(bad < 0, `${where} value ${bad} is ${data[bad]}, expected a finite float32`);
  return values;
}

/** [height, width] -> [1, height, width]; [height, width, channels] -> [channels, height, width], copied. */
function channelsFirst<Values extends Uint8Array | Float32Array>(
  data: Values,
  shape: readonly number[],
  channels: ArraysOptions["channels"],
): { data: Values; shape: readonly number[] } {
  if (shape.length === 2) return { data, shape: [1, ...shape] };
  const [height = 1, width = 1, depth = 1] = shape;
  const looksLast = [1, 3, 4].includes(depth) && ![1, 3, 4].includes(height);
  const isLast = channels === "last" || (channels === undefined && looksLast);
  if (shape.length !== 3 || !isLast) return { data, shape };
  const rearranged = data.slice() as Values;
  const pixels = height * width;
  for (let at = 0; at < data.length; at++) {
    const sample = Math.floor(at / (pixels * depth));
    const pixel = Math.floor(at / depth) % pixels;
    rearranged[(sample * depth + (at % depth)) * pixels + pixel] = data[at] as number;
  }
  return { data: rearranged, shape: [depth, height, width] };
}

/** Arrays by name, including those that can't be read: `get` throws a FormatError with the reason for them. */
class NpzArrays extends Map<string, NpyArray> {
  readonly faults = new Map<string, FormatError>();

  override has(key: string): boolean {
    return super.has(key) || this.faults.has(key);
  }

  override get(key: string): NpyArray | undefined {
    const fault = this.faults.get(key);
    if (fault !== undefined) throw new FormatError(fault.message, { cause: fault });
    return super.get(key);
  }
}

/**
 * The arrays of an `.npz` archive by name, without `.npy` at the end. An array that can't be read (text, objects) does not
 * affect the others: `get` throws a FormatError for its name. Rejects where no array can be read.
 */
export async function parseNpz(bytes: Uint8Array, options: ZipOptions = {}): Promise<Map<string, NpyArray>> {
  const { name = "npz data" } = checkOptions("parseNpz", options, ZIP);
  const arrays = new NpzArrays();
  const keyOf = (path: string) => path.replace(/\.npy$/, "");
  const files = await unzipReadable(bytes, options, (path, fault) => arrays.faults.set(keyOf(path), fault));
  for (const [path, content] of files) {
    try {
      arrays.set(keyOf(path), parseNpy(content, `${name}: ${path}`));
    } catch (fault) {
      if (!(fault instanceof FormatError)) throw fault;
      arrays.faults.set(keyOf(path), fault);
    }
  }
  const [fault] = arrays.faults.values();
  if (arrays.size === 0) throw fault ?? new FormatError(`${name}: holds no arrays`);
  return arrays;
}

export interface NpzOptions extends ArraysOptions {
  /** Names of the arrays with inputs and labels; for archives that hold one data set. */
  readonly inputs?: string;
  readonly labels?: string;
}

export const NPZ = {
  ...ARRAYS,
  inputs: "string",
  labels: "string",
} as const satisfies OptionKinds<NpzOptions>;

/** Usual names of inputs and labels. */
const PAIRS = [
  ["x", "y"],
  ["X", "y"],
  ["inputs", "labels"],
  ["images", "labels"],
  ["data", "labels"],
  ["data", "target"],
  ["arr_0", "arr_1"],
] as const;

/**
 * The data sets in an archive's arrays: `x_train`, `y_train`, `x_test`, `y_test` (Keras's names) give training and test
 * set, `x_val` and `y_val` (or `valid`, `validation`) a validation set; two arrays (x and y, ... or as the options say) one.
 */
export function datasetFromNpz(
  arrays: ReadonlyMap<string, NpyArray>,
  options: NpzOptions = {},
): Dataset | TrainTest {
  const { inputs: ownInputs, labels: ownLabels, ...others } = checkOptions("datasetFromNpz", options, NPZ);
  const { name = "npz data" } = others;
  const existing = [...arrays.keys()].join(", ");
  const get = (key: string): NpyArray => {
    const found = arrays.get(key);
    expectValue(found, `${name}: there is no array ${key}, there are ${existing}`);
    return found;
  };
  if (ownInputs === undefined && arrays.has("x_train")) {
    const held = ["val", "valid", "validation"].find((key) => arrays.has(`x_${key}`));
    const keys = { train: "train", test: "test", ...(held === undefined ? {} : { validation: held }) };
    const allClasses = () => Object.values(keys).every((key) => areClasses(get(`y_${key}`)));
    const task = options.task ?? (allClasses() ? "classes" : "values");
    const parts = Object.entries(keys).map(([split, key]) =>
      datasetFromArrays(get(`x_${key}`), get(`y_${key}`), { ...others, name, split, task }),
    );
    // A part may lack samples of the last classes.
    const classes = Math.max(...parts.map((part) => part.classes ?? 0));
    const [train, test, validation] = parts.map((part) => (classes === 0 ? part : { ...part, classes }));
    const both = { train: train as Dataset, test: test as Dataset };
    return validation === undefined ? both : { ...both, validation };
  }
  const pair = PAIRS.find(([x, y]) => arrays.has(x) && arrays.has(y));
  const [inputs, labels] = [ownInputs ?? pair?.[0], ownLabels ?? pair?.[1]];
  expectValue(
    inputs !== undefined && labels !== undefined,
    `${name}: say which arrays are inputs and labels; there are ${existing}`,
  );
  return datasetFromArrays(get(inputs), get(labels), others);
}
