/**
 * A data set that is not in memory: its samples are read from files or elsewhere when they are needed, some megabytes at
 * a time. Training on it takes two shards of device memory, and some megabytes on the host.
 */
import { DataError } from "../validation/errors.ts";
import { expectValue } from "../validation/expect.ts";
import { isPromise } from "../validation/options.ts";
import { checkForm, type Dataset, labelSize, sampleSize, validateDataset } from "./dataset.ts";
import { holdsBytes, readable, type SampleArray } from "./lazy-inputs.ts";

/** Some samples one after the other, as in a Dataset. */
export interface Samples {
  readonly inputs: Uint8Array | Float32Array;
  readonly labels: Int32Array | Float32Array;
}

export interface ShardedDataset extends Omit<Dataset, "inputs" | "labels"> {
  readonly inputs: Omit<SampleArray, "data"> & {
    /** True for bytes (Uint8Array), false for floats (Float32Array). */
    readonly bytes: boolean;
  };
  /**
   * Reads samples `start` … `start + count - 1`, which are within the data set. Called for one part at a time, again in
   * every epoch. `into`: a part that is no longer needed, whose arrays may be reused if they have the same length.
   */
  read(start: number, count: number, into?: Samples): Promise<Samples>;
}

/** A data set that can be trained on: in memory, or read in parts. */
export type TrainingData = Dataset | ShardedDataset;

export function isSharded(data: TrainingData): data is ShardedDataset {
  return "read" in data;
}

/** Throws DataError, naming `who`, unless `data` has the fields of either kind of data set. Values are not looked at. */
export function checkTrainingData(who: string, data: unknown): asserts data is TrainingData {
  if (typeof data === "object" && data !== null && "read" in data && !isPromise(data)) {
    const { inputs, read } = data as Partial<ShardedDataset>;
    if (Array.isArray(inputs?.shape) && typeof read === "function") return;
  }
  checkForm(who, data);
}

/** Bytes that one sample takes on the device: its inputs, and its labels. */
export function sampleBytes(data: TrainingData): readonly [inputs: number, labels: number] {
  const bytes = isSharded(data) ? data.inputs.bytes : holdsBytes(data.inputs);
  return [sampleSize(data.inputs.shape) * (bytes ? 1 : 4), 4 * labelSize(data)];
}

/** A data set in memory as one that is read in parts. Nothing is copied. */
export function shardsOf(dataset: Dataset): ShardedDataset {
  const { inputs, labels, ...rest } = dataset;
  const { shape, scale, offset } = inputs;
  const [size, perLabel] = [sampleSize(shape), labelSize(dataset)];
  const seen = { ...(scale === undefined ? {} : { scale }), ...(offset === undefined ? {} : { offset }) };
  return {
    ...rest,
    inputs: { shape, ...seen, bytes: holdsBytes(inputs) },
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
  if (samples.inputs instanceof Uint8Array !== data.inputs.bytes) {
    const expected = data.inputs.bytes ? "Uint8Array" : "Float32Array";
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
  const { bytes: __, ...form } = inputs;
  return { ...rest, inputs: { ...form, data: samples.inputs }, labels: samples.labels };
}
