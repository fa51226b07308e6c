/**
 * Data sets with any number of named columns: tokens, pairs of images, masks, several targets. Plain data, as in dataset.ts, in
 * memory or read in parts. A training step gets one tensor for each column.
 */
import { DataError } from "../validation/errors.ts";
import { expectValue } from "../validation/expect.ts";
import { checkOptions, type OptionKinds, shown } from "../validation/options.ts";
import { quote } from "../validation/printable.ts";
import { dataChecks, sampleSize } from "./dataset-checks.ts";
import { readable, type SampleArray } from "./lazy-inputs.ts";

export type ColumnValues = Uint8Array | Float32Array | Int32Array | Uint32Array;

/** How a column is held: bytes, or numbers of 32 bits. */
export type ColumnDtype = "u8" | "f32" | "i32" | "u32";

/** A column without its values. */
export interface ColumnForm {
  readonly dtype: ColumnDtype;
  /** Of one sample; [] for one number. */
  readonly shape: readonly number[];
  /** What a training step gets for bytes: "f32" (default) or "i32". */
  readonly as?: "f32" | "i32" | undefined;
  /** A training step gets `value * scale + offset`, where it gets f32. Default 1. */
  readonly scale?: number | undefined;
  /** Default 0. */
  readonly offset?: number | undefined;
  /** For class numbers: how many classes there are. Other values are then refused. */
  readonly classes?: number | undefined;
  readonly classNames?: readonly string[] | undefined;
  /** A class number that losses ignore; it may be outside the classes. Default -100. */
  readonly ignoreIndex?: number | undefined;
  /** Whether the first axis is the steps of padded sequences, which `bucketByLength` shortens. Default false. */
  readonly sequence?: boolean | undefined;
}

/** A column in memory: samples row-major, one after the other. */
export interface Column extends Omit<ColumnForm, "dtype"> {
  readonly data: ColumnValues;
}

export interface ColumnDataset {
  readonly name: string;
  readonly split: string;
  /** Number of samples. */
  readonly count: number;
  readonly columns: Readonly<Record<string, Column>>;
}

/** The values of some samples by column. */
export type ColumnSamples = Readonly<Record<string, ColumnValues>>;

/** How data are read that come one after the other. */
export interface Reading {
  /** Whether parts are read in the order of the data only: epochs then shuffle samples within a shard, but not shards. */
  readonly sequential?: boolean;
  /** Most samples on the device. */
  readonly capacity?: number;
  /** Whether what was read can be read again; default true. */
  readonly replayable?: boolean;
  /** How often `close` was called. */
  readonly closings?: number;
  /** Called when a fit or an evaluation ends. */
  close?(): Promise<void>;
}

/** A data set with named columns that is read in parts. */
export interface ShardedColumns extends Omit<ColumnDataset, "columns">, Reading {
  readonly columns: Readonly<Record<string, ColumnForm>>;
  /** Whether `read` checks what it reads by itself. */
  readonly checksParts?: boolean;
  /** As that of ShardedDataset. */
  read(start: number, count: number, into?: ColumnSamples): Promise<ColumnSamples>;
}

/** What `fromColumns` takes for a column: values, or a column whose shape is [] where it is left out. */
export type GivenColumn = ColumnValues | (Omit<Column, "shape"> & { readonly shape?: readonly number[] });

export interface ColumnsOptions {
  /** Default "columns". */
  readonly name?: string;
  /** Default "all". */
  readonly split?: string;
}

const COLUMNS = { name: "string", split: "string" } as const satisfies OptionKinds<ColumnsOptions>;
export const COLUMN_FORM = {
  shape: "array",
  as: ["f32", "i32"],
  scale: "number",
  offset: "number",
  classes: "number",
  classNames: "array",
  ignoreIndex: "number",
  sequence: "boolean",
} as const satisfies OptionKinds<Omit<ColumnForm, "dtype">>;
const COLUMN = { ...COLUMN_FORM, data: "any" } as const satisfies OptionKinds<Column>;

const KINDS: readonly (readonly [ColumnDtype, new (length: number) => ColumnValues])[] = [
  ["u8", Uint8Array],
  ["f32", Float32Array],
  ["i32", Int32Array],
  ["u32", Uint32Array],
];

/** The array of a column of `dtype`. */
export function arrayOf(dtype: ColumnDtype, length: number): ColumnValues {
  return new (KINDS.find(([name]) => name === dtype)![1])(length);
}

/** The dtype of values; undefined for what is no array of a column. */
export function dtypeOf(values: unknown): ColumnDtype | undefined {
  return KINDS.find(([, kind]) => values instanceof kind)?.[0];
}

export const dtypes = KINDS.map(([name]) => name);

/** The form of a column in memory, or of inputs that are loaded on demand. */
export function formOf(column: Column): ColumnForm {
  const { shape, as, scale, offset, classes, classNames, ignoreIndex, sequence } = column;
  const dtype = readable(column as SampleArray) === undefined ? (dtypeOf(column.data) as ColumnDtype) : "u8";
  return { dtype, shape, as, scale, offset, classes, classNames, ignoreIndex, sequence };
}

/** The dtype of what a training step gets. */
export const seenAs = ({ dtype, as }: ColumnForm) => (dtype === "u8" ? (as ?? "f32") : dtype);

/**
 * A data set of named columns, each with values for the same number of samples: `{ tokens: { data, shape: [T] }, label: data }`.
 * Uint8Array reaches a training step as f32 (or, with `as: "i32"`, as i32), other arrays as what they hold. Nothing is copied.
 * Throws ValueError on unknown options, DataError on columns that validateColumns refuses.
 */
export function fromColumns(
  columns: Readonly<Record<string, GivenColumn>>,
  options: ColumnsOptions = {},
): ColumnDataset {
  const { name = "columns", split = "all" } = checkOptions("fromColumns", options, COLUMNS);
  const isRecord = typeof columns === "object" && columns !== null && !Array.isArray(columns);
  expectValue(
    isRecord && dtypeOf(columns) === undefined,
    `fromColumns: needs an object of columns, as in { tokens: { data, shape: [16] } }, got ${shown(columns)}`,
  );
  const made = Object.fromEntries(
    Object.entries(columns).map(([key, given]) => {
      expectValue(
        !Array.isArray(given) && (dtypeOf(given) !== undefined || !ArrayBuffer.isView(given)),
        `fromColumns: column ${quote(key)}: takes a Uint8Array, Float32Array, Int32Array or Uint32Array, or { data, shape } with ` +
          `one, got ${shown(given)}; convert it, as in Float32Array.from(values)`,
      );
      if (dtypeOf(given) !== undefined) return [key, { data: given as ColumnValues, shape: [] }];
      const column = checkOptions<Partial<Column>>(
        `fromColumns: column ${quote(key)}`,
        given as Column,
        COLUMN,
      );
      return [key, { ...column, shape: column.shape ?? [] } as Column];
    }),
  );
  const [first] = Object.values(made);
  const count = (first?.data?.length ?? 0) / (first === undefined ? 1 : sampleSize(first.shape));
  return validateColumns({ name, split, count, columns: made });
}

/** How `data` is read, as fields of another data set over the same samples. */
export function readingOf(data: Reading): Reading {
  if (data.sequential !== true) return {};
  const { capacity, replayable = true, sequential } = data;
  return {
    sequential,
    replayable,
    ...(capacity !== undefined && { capacity }),
    get closings() {
      return data.closings ?? 0;
    },
    close: async () => data.close?.(),
  };
}

/** Whether a data set has named columns, in memory or not; an ordinary one has inputs and labels. */
export function hasColumns(data: unknown): data is ColumnDataset | ShardedColumns {
  if (typeof data !== "object" || data === null || "inputs" in data || !("columns" in data)) return false;
  const { columns } = data;
  return typeof columns === "object" && columns !== null && !Array.isArray(columns);
}

/** Throws DataError that names the first fault of the columns' forms. */
export function checkColumnForms({
  name,
  split,
  columns,
}: Pick<ShardedColumns, "name" | "split" | "columns">): void {
  const { check, checkShape } = dataChecks({ name, split, count: 1 });
  const entries = Object.entries(columns);
  check(entries.length > 0, "has no columns");
  for (const [key, { dtype, shape, as, scale = 1, offset = 0, classes, classNames }] of entries) {
    const column = `column ${quote(key)}`;
    check(
      key !== "weights",
      `${column}: a step gets weights of its own, 1 for each sample and 0 for padding; name the column otherwise`,
    );
    check(
      dtypes.includes(dtype),
      `${column}: dtype must be one of ${dtypes.join(", ")}, got ${shown(dtype)}`,
    );
    check(Array.isArray(shape), `${column}: shape must be that of one sample, got ${shown(shape)}`);
    checkShape(`${column}: shape`, shape);
    check(
      as === undefined || (dtype === "u8" && (as === "f32" || as === "i32")),
      `${column}: \`as\` is for bytes, "f32" or "i32"; got ${shown(as)} for ${dtype}`,
    );
    check(
      Number.isFinite(scale) && Number.isFinite(offset),
      `${column}: scale and offset must be finite, got ${scale} and ${offset}`,
    );
    const seen = seenAs({ dtype, as, shape });
    const isFloat = seen === "f32";
    check(
      isFloat || (scale === 1 && offset === 0),
      `${column}: scale and offset are for columns that are trained on as f32, this one is ${seen}`,
    );
    check(
      classes === undefined || (!isFloat && Number.isInteger(classes) && classes >= 1),
      `${column}: classes is a whole number of at least 1, for columns of whole numbers; got ${classes} for ` +
        seen,
    );
    check(
      classNames === undefined || classNames.length === classes,
      `${column}: has ${classes} classes but ${classNames?.length} class names`,
    );
  }
}

/**
 * Returns the data set. Throws a DataError that names the first fault: no columns or samples, lengths that don't match the
 * shapes, numbers that are not finite, class numbers outside the classes.
 */
export function validateColumns<Set extends ColumnDataset>(dataset: Set): Set {
  const { name, split, count, columns } = dataset;
  const { check, checkCount, checkLength, checkFinite, checkClasses } = dataChecks(dataset);
  for (const [key, column] of Object.entries(columns)) {
    check(
      dtypeOf(column?.data) !== undefined,
      `column ${quote(key)}: data must be a Uint8Array, Float32Array, Int32Array or Uint32Array, got ${shown(column?.data ?? column)}`,
    );
  }
  const forms = Object.fromEntries(Object.entries(columns).map(([key, c]) => [key, formOf(c)]));
  checkColumnForms({ name, split, columns: forms });
  // A first column of broken samples is reported as that, not as a count that is no whole number.
  for (const [key, { data, shape }] of Object.entries(columns)) {
    if (Number.isInteger(count)) checkLength(`column ${quote(key)}`, data.length, shape);
    else
      check(
        data.length % sampleSize(shape) === 0,
        `column ${quote(key)} holds ${data.length} values, which are no whole samples of [${shape.join(", ")}]`,
      );
  }
  checkCount();
  for (const [key, { data, shape, classes, ignoreIndex = -100 }] of Object.entries(columns)) {
    const each = sampleSize(shape);
    if (data instanceof Float32Array) checkFinite(`column ${quote(key)}: value`, data, each);
    if (classes === undefined) continue;
    checkClasses(`column ${quote(key)}: class`, data, each, classes, ignoreIndex);
  }
  return dataset;
}

/** Columns in memory as ones that are read in parts. Nothing is copied. */
export function shardsOfColumns({ columns, ...rest }: ColumnDataset): ShardedColumns {
  const entries = Object.entries(columns);
  return {
    ...rest,
    columns: Object.fromEntries(entries.map(([key, column]) => [key, formOf(column)])),
    read: async (start, count) =>
      Object.fromEntries(
        entries.map(([key, { data, shape }]) => {
          const size = sampleSize(shape);
          return [key, data.subarray(start * size, (start + count) * size)];
        }),
      ),
  };
}

/** Reads a part, checked. Rejects with a DataError that names the first sample of the part. */
export async function readColumns(
  data: ShardedColumns,
  start: number,
  count: number,
  into?: ColumnSamples,
): Promise<ColumnSamples> {
  const { name, columns, checksParts = false } = data;
  const samples = await data.read(start, count, into);
  if (checksParts) return samples;
  const split = `${data.split}, from sample ${start} on`;
  const made = Object.entries(columns).map(([key, { dtype, ...form }]) => {
    const values = samples?.[key];
    if (dtypeOf(values) !== dtype) {
      throw new DataError(
        `data set ${name}/${split}: column ${quote(key)} must be read as an array of ${dtype}, got ${shown(values)}`,
      );
    }
    return [key, { ...form, data: values }] as const;
  });
  validateColumns({ name, split, count, columns: Object.fromEntries(made) as ColumnDataset["columns"] });
  return samples;
}
