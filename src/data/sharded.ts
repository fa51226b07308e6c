/**
 * A data set that is not in memory: its samples are read from files or elsewhere when they are needed, some megabytes at
 * a time. Training on it takes two shards of device memory, and some megabytes on the host.
 */
import { DataError } from "../validation/errors.ts";
import { expectValue } from "../validation/expect.ts";
import { isPromise } from "../validation/options.ts";
import { type ColumnDataset, hasColumns, type Reading, type ShardedColumns } from "./columns.ts";
import { checkForm, type Dataset, labelSize, sampleSize, titleOf, validateDataset } from "./dataset.ts";
import { holdsBytes, holdsWhole, readable, type SampleArray } from "./lazy-inputs.ts";

/** Some samples one after the other, as in a Dataset. */
export interface Samples {
  readonly inputs: Uint8Array | Float32Array | Int32Array;
  readonly labels: Int32Array | Float32Array;
}

export interface ShardedDataset extends Omit<Dataset, "inputs" | "labels">, Reading {
  readonly inputs: Omit<SampleArray, "data"> & {
    /** True for bytes (Uint8Array), false for numbers of 32 bits. */
    readonly bytes: boolean;
    /** True for whole numbers (Int32Array), such as tokens; else numbers are floats (Float32Array). */
    readonly whole?: boolean;
  };
  /**
   * Reads samples `start` … `start + count - 1`, which are within the data set. Called for one part at a time, again in
   * every epoch. `into`: a part that is no longer needed, whose arrays may be reused if they have the same length.
   */
  read(start: number, count: number, into?: Samples): Promise<Samples>;
}

/** A data set with inputs and labels: in memory, or read in parts. */
export type PairData = Dataset | ShardedDataset;

/** A data set that can be trained on. Only step functions take named columns other than `inputs` and `labels`. */
export type TrainingData = PairData | ColumnDataset | ShardedColumns;

export function isSharded(data: PairData): data is ShardedDataset;
export function isSharded(data: TrainingData): data is ShardedDataset | ShardedColumns;
export function isSharded(data: TrainingData): boolean {
  return "read" in data;
}

/** Throws DataError, naming `who`, unless `data` has the fields of a data set of some kind. Values are not looked at. */
export function checkTrainingData(who: string, data: unknown): asserts data is TrainingData {
  if (typeof data === "object" && data !== null && !isPromise(data)) {
    const { count, inputs, read } = data as Partial<ShardedDataset>;
    if (hasColumns(data) && (typeof read === "function" || typeof count === "number")) return;
    if (Array.isArray(inputs?.shape) && typeof read === "function") return;
  }
  checkForm(who, data);
}

/** Throws ValueError where a data set without end is evaluated or trained on for epochs. `then`: what to do. */
export function refuseEndless(who: string, data: TrainingData, then: string): void {
  expectValue(data.count !== Number.POSITIVE_INFINITY, `${who}: ${titleOf(data)} is endless; ${then}`);
}

/** A data set in memory as one that is read in parts. Nothing is copied. */
export function shardsOf(dataset: Dataset): ShardedDataset {
  const { inputs, labels, ...rest } = dataset;
  const { shape, scale, offset } = inputs;
  const [size, perLabel] = [sampleSize(shape), labelSize(dataset)];
  const seen = { ...(scale === undefined ? {} : { scale }), ...(offset === undefined ? {} : { offset }) };
  return {
    ...rest,
    inputs: { shape, ...seen, bytes: holdsBytes(inputs), ...(holdsWhole(inputs) && { whole: true }) },
    read: async (start, count, into) => ({
      inputs:
        (await readable(inputs)?.read(start * size, count * size, into?.inputs as Uint8Array | undefined)) ??
        inputs.data.subarray(start * size, (start + count) * size),
      labels: labels.subarray(start * perLabel, (start + count) * perLabel),
    }),
  };
}

/** Reads a part and checks it as `validateDataset` does. Rejects with a DataError that names the first sample of the part. */
export async function readPart(
  data: ShardedDataset,
  start: number,
  count: number,
  into?: Samples,
  ignored?: number,
): Promise<Samples> {
  const samples = await data.read(start, count, into);
  const part = { ...data, split: `${data.split}, from sample ${start} on`, count };
  const { bytes, whole = false } = data.inputs;
  const { inputs } = samples;
  if (inputs instanceof Uint8Array !== bytes || inputs instanceof Int32Array !== whole) {
    const expected = bytes ? "Uint8Array" : whole ? "Int32Array" : "Float32Array";
    throw new DataError(
      `data set ${data.name}/${data.split}, samples from ${start} on: the inputs must be a ${expected}`,
    );
  }
  validateDataset(inMemory(part, samples), ignored);
  return samples;
}

/** Reads all samples. Rejects with a ValueError if there are more than `most` (default: no limit). */
export async function loadSharded(data: ShardedDataset, most = Number.POSITIVE_INFINITY): Promise<Dataset> {
  const { name, count } = data;
  expectValue(count <= most, `data set ${name}: has ${count} samples, more than ${most}`);
  return inMemory(data, await readPart(data, 0, count));
}

function inMemory(data: ShardedDataset, samples: Samples): Dataset {
  const { read: _, inputs, ...rest } = data;
  const { bytes: __, whole: ___, ...form } = inputs;
  return { ...rest, inputs: { ...form, data: samples.inputs }, labels: samples.labels };
}
