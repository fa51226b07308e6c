/**
 * Sequences of different lengths: padded to one length, with their lengths and a mask as columns, and divided into buckets of
 * similar lengths, so that little is padded.
 */
import { Random } from "../numbers/random.ts";
import { DataError } from "../validation/errors.ts";
import { expectValue } from "../validation/expect.ts";
import { checkOptions, type OptionKinds, shown } from "../validation/options.ts";
import { quote } from "../validation/printable.ts";
import {
  arrayOf,
  COLUMN_FORM,
  type Column,
  type ColumnDataset,
  type ColumnDtype,
  type ColumnForm,
  type ColumnsOptions,
  type ColumnValues,
  dtypeOf,
  fromColumns,
  type GivenColumn,
  hasColumns,
} from "./columns.ts";
import { checkInMemory, type InMemory, take } from "./dataset.ts";
import { sampleSize, titleOf } from "./dataset-checks.ts";
import { columnsOf } from "./inputs-and-labels.ts";

/** A column with a sequence for each sample: arrays of one kind, each of whole steps. */
export interface SequenceColumn extends Omit<ColumnForm, "dtype" | "shape" | "sequence"> {
  readonly sequences: readonly ColumnValues[];
  /** Of one step; default []. */
  readonly shape?: readonly number[];
  /** What steps after the last hold; default 0, or for class numbers the ignored one, -100. */
  readonly padding?: number;
}

export interface SequencesOptions extends ColumnsOptions {
  /** Steps that every sequence is padded to; default: those of the longest. */
  readonly length?: number;
}

const SEQUENCES = {
  length: "number",
  name: "string",
  split: "string",
} as const satisfies OptionKinds<SequencesOptions>;
const { shape: _, sequence: __, ...FORM } = COLUMN_FORM;
const SEQUENCE = {
  ...FORM,
  shape: "array",
  sequences: "array",
  padding: "number",
} as const satisfies OptionKinds<SequenceColumn>;

/** Columns that `fromSequences` adds. */
const LENGTHS = "lengths";
const MASK = "mask";

const isSequences = (column: GivenColumn | SequenceColumn): column is SequenceColumn =>
  typeof column === "object" && column !== null && "sequences" in column;

/**
 * A data set of padded sequences. Columns with `sequences` become `[length, …shape]`; other columns are as in `fromColumns`. Adds
 * `lengths` (i32, one per sample) and `mask` (f32 [length]: 1 for a step, 0 for padding). All sequences of a sample have one length
 * of at least 1. Throws ValueError on unknown options and sequences longer than `length`, DataError on columns that don't fit.
 */
export function fromSequences(
  columns: Readonly<Record<string, GivenColumn | SequenceColumn>>,
  options: SequencesOptions = {},
): ColumnDataset {
  const who = "fromSequences";
  const { length, ...rest } = checkOptions(who, options, SEQUENCES);
  const entries = Object.entries(columns ?? {});
  const given = entries.flatMap(([key, column]) => (isSequences(column) ? [[key, column] as const] : []));
  expectValue(
    given.length > 0,
    `${who}: needs at least one column { sequences: [Int32Array, …] }, got ${shown(columns)}`,
  );
  for (const own of [LENGTHS, MASK]) {
    expectValue(!(own in columns), `${who}: adds the column ${own} by itself; name yours otherwise`);
  }
  const lengths = lengthsOf(who, given);
  expectValue(lengths.length > 0, `${who}: needs at least one sequence, got none`);
  const longest = lengths.reduce((a, b) => Math.max(a, b), 0);
  const T = length ?? longest;
  expectValue(
    Number.isInteger(T) && T >= longest,
    `${who}: length must be a whole number of at least ${longest}, the steps of the longest sequence, got ${T}`,
  );
  const most = given.map(([, { shape = [] }]) => lengths.length * T * sampleSize(shape));
  expectValue(
    Math.max(...most) < 2 ** 32,
    `${who}: ${lengths.length} sequences of ${T} steps have ${Math.max(...most)} values, more than an array holds; give a smaller length`,
  );
  const padded = entries.map(([key, column]) => [key, isSequences(column) ? pad(column, T) : column]);
  const mask = new Float32Array(lengths.length * T);
  lengths.forEach((steps, i) => {
    mask.fill(1, i * T, i * T + steps);
  });
  const added = { [LENGTHS]: lengths, [MASK]: { data: mask, shape: [T], sequence: true } };
  return fromColumns({ ...Object.fromEntries(padded), ...added }, rest);
}

/** Steps of each sample, which all columns must agree on. */
function lengthsOf(who: string, columns: readonly (readonly [string, SequenceColumn])[]): Int32Array {
  let lengths: Int32Array | undefined;
  for (const [key, given] of columns) {
    const column = `${who}: column ${quote(key)}`;
    const { sequences, shape = [] } = checkOptions(column, given, SEQUENCE);
    const size = sampleSize(shape);
    const own = Int32Array.from(sequences, (sequence, i) => {
      const dtype = dtypeOf(sequence);
      if (dtype === undefined || dtype !== dtypeOf(sequences[0])) {
        throw new DataError(
          `${column}: sequence ${i} must be an array of the kind of the first, Int32Array or another typed one, got ${shown(sequence)}`,
        );
      }
      const steps = sequence.length / size;
      if (Number.isInteger(steps) && steps >= 1) return steps;
      throw new DataError(
        `${column}: sequence ${i} holds ${sequence.length} values, which are no whole steps of [${shape.join(", ")}], at least 1`,
      );
    });
    lengths ??= own;
    const expected = lengths;
    if (own.length !== expected.length) {
      throw new DataError(`${column}: has ${own.length} sequences, other columns have ${expected.length}`);
    }
    const bad = own.findIndex((steps, i) => steps !== expected[i]);
    if (bad >= 0) {
      throw new DataError(
        `${column}: sequence ${bad} has ${own[bad]} steps, in other columns it has ${expected[bad]}`,
      );
    }
  }
  return lengths ?? new Int32Array(0);
}

function pad({ sequences, shape = [], padding, ...form }: SequenceColumn, T: number): Column {
  const size = sampleSize(shape);
  const { classes, ignoreIndex = -100 } = form;
  const filler = padding ?? (classes === undefined ? 0 : ignoreIndex);
  const data = arrayOf(dtypeOf(sequences[0]) ?? "f32", sequences.length * T * size).fill(filler);
  const isPadded = sequences.some((sequence) => sequence.length < T * size);
  expectValue(
    !isPadded || Object.is(data[0], Math.fround(filler)) || data[0] === filler,
    `fromSequences: padding ${filler} does not fit into an array of ${dtypeOf(data)}; give another as \`padding\``,
  );
  sequences.forEach((sequence, i) => {
    data.set(sequence, i * T * size);
  });
  return { ...form, data, shape: [T, ...shape], sequence: true };
}

export interface BucketOptions {
  /** Longest sequence of each bucket, ascending; the last must hold the longest of all. */
  readonly boundaries: readonly number[];
  /** Names of the columns to be shortened. Default: those with `sequence`, which `fromSequences` sets. */
  readonly columns?: readonly string[];
}

/**
 * Divides a padded data set (`fromSequences`) by length: for each boundary that has samples a data set of the sequences up to it,
 * padded to it. Throws ValueError on boundaries that don't ascend or don't hold the longest sequence.
 */
export function bucketByLength(dataset: ColumnDataset, options: BucketOptions): ColumnDataset[] {
  const who = "bucketByLength";
  const { boundaries, columns } = checkOptions(who, options, { boundaries: "array", columns: "array" });
  const { lengths, mask } = dataset?.columns ?? {};
  expectValue(
    dtypeOf(lengths?.data) === "i32" && dtypeOf(mask?.data) === "f32" && mask?.shape.length === 1,
    `${who}: needs a data set in memory with the columns lengths (i32) and mask (f32 [steps]), as fromSequences makes it, got ` +
      shown(dataset),
  );
  const steps = (lengths as Column).data as Int32Array;
  const longest = steps.reduce((a, b) => Math.max(a, b), 0);
  const ascends = boundaries?.every((b, i) => Number.isInteger(b) && b > (boundaries[i - 1] ?? 0));
  expectValue(
    ascends && (boundaries.at(-1) ?? 0) >= longest,
    `${who}: boundaries must be ascending whole numbers up to at least ${longest}, the longest sequence, got ${shown(boundaries)}`,
  );
  const [T] = (mask as Column).shape as [number];
  const marked = Object.keys(dataset.columns).filter((key) => dataset.columns[key]?.sequence);
  expectValue(
    columns !== undefined || marked.length > 0,
    `${who}: no column of ${titleOf(dataset)} has \`sequence\`; name those to be shortened as \`columns\``,
  );
  const names = columns ?? marked;
  const unknown = names.find((key) => dataset.columns[key]?.shape[0] !== T);
  expectValue(
    unknown === undefined,
    `${who}: ${quote(unknown ?? "")} is no column of ${T} steps of ${titleOf(dataset)}`,
  );
  const cut = [...new Set([...names, MASK])];
  const members = boundaries.map((): number[] => []);
  steps.forEach((length, i) => {
    members[boundaries.findIndex((b) => length <= b)]?.push(i);
  });
  return boundaries.flatMap((boundary, i) => {
    const picked = members[i] as number[];
    if (picked.length === 0) return [];
    const bucket = take(dataset, picked, `${dataset.split}, up to ${boundary} steps`);
    const shortened = cut.map((key) => [key, shorten(bucket.columns[key] as Column, boundary)]);
    return [{ ...bucket, columns: { ...bucket.columns, ...Object.fromEntries(shortened) } }];
  });
}

/** The first `steps` steps of every sample; more than there are only where nothing is longer than the padding. */
function shorten(column: Column, steps: number): Column {
  const { data, shape } = column;
  const [T = 1, ...rest] = shape;
  const kept = Math.min(steps, T);
  const size = sampleSize(rest);
  const count = data.length / (T * size);
  const all = arrayOf(dtypeOf(data) as ColumnDtype, count * kept * size);
  for (let i = 0; i < count; i++) {
    all.set(data.subarray(i * T * size, (i * T + kept) * size), i * kept * size);
  }
  return { ...column, data: all, shape: [kept, ...rest] };
}

export interface BatchesOptions {
  readonly batchSize: number;
  /** Other epochs have other orders; default 0. */
  readonly epoch?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Default true; false takes data sets and samples in their order. */
  readonly shuffle?: boolean;
}

/**
 * Host batches of one pass over several data sets of one kind, such as the buckets of `bucketByLength`, or over one: columns,
 * as `trainer.step` takes them. Each batch is of one set, whose last one may have fewer samples. With `shuffle`, seed and epoch
 * decide their order. Throws ValueError on options out of range.
 */
export function batches(
  datasets: InMemory | readonly InMemory[],
  options: BatchesOptions,
): Generator<ColumnDataset["columns"], void> {
  const kinds = { batchSize: "number", epoch: "number", seed: "number", shuffle: "boolean" } as const;
  const { batchSize, epoch = 0, seed = 0, shuffle = true } = checkOptions("batches", options, kinds);
  for (const [key, value, least] of [
    ["batchSize", batchSize, 1],
    ["epoch", epoch, 0],
    ["seed", seed, 0],
  ] as const) {
    expectValue(
      Number.isInteger(value) && value >= least,
      `batches: ${key} must be a whole number of at least ${least}, got ${shown(value)}`,
    );
  }
  const sets = (Array.isArray(datasets) ? datasets : [datasets]) as readonly InMemory[];
  for (const set of sets) checkInMemory("batches", set);
  return batchesOf(sets, batchSize, new Random(seed, epoch), shuffle);
}

function* batchesOf(sets: readonly InMemory[], batchSize: number, random: Random, shuffle: boolean) {
  const parts = sets.flatMap((set) => {
    const { count } = set;
    const order = shuffle ? random.permutation(count) : Uint32Array.from({ length: count }, (__, i) => i);
    const starts = Array.from({ length: Math.ceil(count / batchSize) }, (__, i) => i * batchSize);
    return starts.map((start) => ({ set, indices: order.subarray(start, start + batchSize) }));
  });
  const order = shuffle ? random.permutation(parts.length) : parts.keys();
  for (const i of order) {
    const { set, indices } = parts[i] as (typeof parts)[number];
    yield take(hasColumns(set) ? set : columnsOf(set), indices).columns;
  }
}
