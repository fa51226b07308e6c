/**
 * Data sets from plain arrays, as NumPy saves them: `.npy` pairs and `.npz` archives. Images may have their channels
 * last, which is turned round; bytes stay bytes.
 * Refuses arrays of different lengths, labels that are neither whole numbers nor targets, and empty arrays.
 */
import { FormatError, ValueError } from "../../common/errors.ts";
import { checkOptions, type OptionKinds, shown } from "../../common/options.ts";
import { unzipSome, ZIP, type ZipOptions } from "../archives/zip.ts";
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

/** Inputs `[count, ...]` and labels `[count]` (or `[count, ...]` targets) as a data set. */
export function datasetFromArrays(inputs: NpyArray, labels: NpyArray, options: ArraysOptions = {}): Dataset {
  const { name = "arrays", split = "all", classNames } = checkOptions("datasetFromArrays", options, ARRAYS);
  for (const [role, array] of [
    ["inputs", inputs],
    ["labels", labels],
  ] as const) {
    if (Array.isArray(array?.shape)) continue;
    throw new ValueError(
      `${name}: ${role} must be { shape, data } as parseNpy gives it, got ${shown(array)}`,
    );
  }
  const [count = 0, ...extents] = inputs.shape;
  if (inputs.shape.length === 0 || count === 0) {
    throw new FormatError(`${name}: the inputs [${inputs.shape.join(", ")}] hold no samples`);
  }
  if (labels.shape[0] !== count) {
    throw new FormatError(`${name}: ${count} inputs, but labels of shape [${labels.shape.join(", ")}]`);
  }
  const shape = extents.length === 0 ? [1] : extents;
  if (sampleSize(shape) === 0)
    throw new FormatError(`${name}: inputs of shape [${shape.join(", ")}] hold nothing`);
  const isBytes = inputs.data instanceof Uint8Array;
  const plain = isBytes ? inputs.data : asFloat32(inputs.data, `${name}: input`);
  const { scale = isBytes && !isBoolean(inputs) ? 1 / 255 : 1 } = options;
  return validateDataset({
    name,
    split,
    count,
    inputs: { ...channelsFirst(plain, shape, options.channels), scale },
    ...labelsOf(labels, count, options, name),
    ...(classNames ? { classNames } : {}),
  });
}

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
  const perSample = data.length / count;
  if (task === "values" || (task === undefined && !areClasses(labels))) {
    const rest = shape.slice(1);
    return { labels: asFloat32(data, `${name}: label`), labelShape: rest.length === 0 ? [1] : rest };
  }
  const bad = data.findIndex((label: number) => !Number.isInteger(label) || label < 0 || label >= 65_536);
  if (bad >= 0 || perSample !== 1) {
    throw new FormatError(
      `${name}: class labels must be one whole number from 0 to 65535 per sample, got ` +
        (bad >= 0 ? `${data[bad]} at ${bad}` : `shape [${shape.join(", ")}]`) +
        (task === undefined ? '; if they are values to predict, say `task: "values"`' : ""),
    );
  }
  const numbers = Int32Array.from(data);
  const most = numbers.reduce((a, b) => Math.max(a, b), isBoolean(labels) ? 1 : 0);
  const classes = classNames?.length ?? most + 1;
  return { labels: numbers, classes };
}

function asFloat32(data: NpyArray["data"], where: string): Float32Array {
  const values = data instanceof Float32Array ? data : Float32Array.from(data);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new FormatError(`${where} value ${bad} is ${data[bad]}, expected a finite float32`);
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
  if (shape.length !== 3 || channels === "first" || (channels === undefined && !looksLast))
    return { data, shape };
  const turned = data.slice() as Values;
  const plane = height * width;
  for (let at = 0; at < data.length; at++) {
    const sample = Math.floor(at / (plane * depth));
    const pixel = Math.floor((at - sample * plane * depth) / depth);
    turned[sample * plane * depth + (at % depth) * plane + pixel] = data[at] as number;
  }
  return { data: turned, shape: [depth, height, width] };
}

/** Arrays by name. Those that can't be read are refused when they are asked for. */
class NpzArrays extends Map<string, NpyArray> {
  readonly faults = new Map<string, FormatError>();

  override has(key: string): boolean {
    return super.has(key) || this.faults.has(key);
  }

  /** Throws FormatError, with the reason, for an array that can't be read. */
  override get(key: string): NpyArray | undefined {
    const fault = this.faults.get(key);
    if (fault !== undefined) throw new FormatError(fault.message, { cause: fault });
    return super.get(key);
  }
}

/**
 * The arrays of an `.npz` archive by name, without `.npy` at the end. Arrays of text, objects and the like don't hinder the
 * others: `get` throws a FormatError for such a name. Rejects where no array can be read.
 */
export async function parseNpz(bytes: Uint8Array, options: ZipOptions = {}): Promise<Map<string, NpyArray>> {
  const { name = "npz data" } = checkOptions("parseNpz", options, ZIP);
  const arrays = new NpzArrays();
  const keyOf = (path: string) => path.replace(/\.npy$/, "");
  const files = await unzipSome(bytes, options, (path, fault) => arrays.faults.set(keyOf(path), fault));
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
  /** Names of the arrays with inputs and labels; for archives in one piece. */
  readonly inputs?: string;
  readonly labels?: string;
}

export const NPZ = {
  ...ARRAYS,
  inputs: "string",
  labels: "string",
} as const satisfies OptionKinds<NpzOptions>;

/** Names that people give to inputs and labels, each with its pair. */
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
  const there = [...arrays.keys()].join(", ");
  const get = (key: string): NpyArray => {
    const found = arrays.get(key);
    if (found === undefined) throw new ValueError(`${name}: there is no array ${key}, there are ${there}`);
    return found;
  };
  const isDivided = ownInputs === undefined && arrays.has("x_train");
  if (isDivided) {
    const held = ["val", "valid", "validation"].find((key) => arrays.has(`x_${key}`));
    const keys = { train: "train", test: "test", ...(held === undefined ? {} : { validation: held }) };
    const looksSo = () => Object.values(keys).every((key) => areClasses(get(`y_${key}`)));
    const task = options.task ?? (looksSo() ? "classes" : "values");
    const part = (split: string, key: string) =>
      datasetFromArrays(get(`x_${key}`), get(`y_${key}`), { ...others, name, split, task });
    const parts = Object.entries(keys).map(([split, key]) => part(split, key));
    const classes = Math.max(...parts.map((one) => one.classes ?? 0));
    const [train, test, validation] = parts.map((one) => (classes === 0 ? one : { ...one, classes }));
    const both = { train: train as Dataset, test: test as Dataset };
    return validation === undefined ? both : { ...both, validation };
  }
  const pair = PAIRS.find(([x, y]) => arrays.has(x) && arrays.has(y));
  const [inputs, labels] = [ownInputs ?? pair?.[0], ownLabels ?? pair?.[1]];
  if (inputs === undefined || labels === undefined) {
    throw new ValueError(`${name}: say which arrays are inputs and labels; there are ${there}`);
  }
  return datasetFromArrays(get(inputs), get(labels), others);
}
