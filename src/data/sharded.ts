/**
 * A data set that is not in memory: its samples are read when their turn comes, some megabytes at a time, from files or
 * wherever they are. Training on it takes two shards of device memory, and some megabytes on the host.
 */
import { DataError, ValueError } from "../common/errors.ts";
import { isPromise } from "../common/options.ts";
import { checkForm, type Dataset, labelSize, sampleSize, validateDataset } from "./dataset.ts";
import { holdsBytes, readable } from "./lazy-inputs.ts";

/** Some samples one after the other, as in a Dataset. */
export interface Samples {
  readonly inputs: Uint8Array | Float32Array;
  readonly labels: Int32Array | Float32Array;
}

export interface ShardedDataset extends Omit<Dataset, "inputs" | "labels"> {
  readonly inputs: {
    /** Of one sample. */
    readonly shape: readonly number[];
    /** True for bytes (Uint8Array), false for floats (Float32Array). */
    readonly bytes: boolean;
    /** Default 1. For bytes usually 1 / 255. */
    readonly scale?: number;
    /** Default 0. */
    readonly offset?: number;
  };
  /**
   * Samples `start` … `start + count - 1`, within the data set; called for one part at a time, again in every epoch. `into`: a
   * part that is no longer needed and whose arrays may be filled again, if there are as many samples in it.
   */
  read(start: number, count: number, into?: Samples): Promise<Samples>;
}

/** What can be trained on: in memory, or read in parts. */
export type TrainingData = Dataset | ShardedDataset;

export function isSharded(data: TrainingData): data is ShardedDataset {
  return "read" in data;
}

/** Refuses what is neither a data set in memory nor one in parts, and says what to write. Values are not looked at. */
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
  const labels = isSharded(data) ? shardedLabelSize(data) : labelSize(data);
  return [sampleSize(data.inputs.shape) * (bytes ? 1 : 4), 4 * labels];
}

/** Labels in one sample: 1 for classes. */
export function shardedLabelSize({
  classes,
  labelShape = [1],
}: Pick<ShardedDataset, "classes" | "labelShape">): number {
  return classes === undefined ? sampleSize(labelShape) : 1;
}

/** A data set in memory as one that is read in parts; nothing is copied. */
export function shardsOf(dataset: Dataset): ShardedDataset {
  const { inputs, labels, ...rest } = dataset;
  const { shape, scale, offset } = inputs;
  const [size, perLabel] = [sampleSize(shape), labelSize(dataset)];
  const seen = { ...(scale === undefined ? {} : { scale }), ...(offset === undefined ? {} : { offset }) };
  return {
    ...rest,
    inputs: { shape, ...seen, bytes: holdsBytes(inputs) },
    read: async (start, count, into) => {
      const bytes = readable(inputs);
      return {
        inputs:
          bytes === undefined
            ? inputs.data.subarray(start * size, (start + count) * size)
            : await bytes.read(start * size, count * size, into?.inputs as Uint8Array | undefined),
        labels: labels.subarray(start * perLabel, (start + count) * perLabel),
      };
    },
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
  const { inputs, labels } = await data.read(start, count, into);
  const title = `data set ${data.name}/${data.split}, samples from ${start} on`;
  if (inputs instanceof Uint8Array !== data.inputs.bytes) {
    const kinds = ["Float32Array", "Uint8Array"];
    throw new DataError(`${title}: the inputs must be a ${kinds[Number(data.inputs.bytes)]}`);
  }
  const { bytes: _, ...form } = data.inputs;
  const { read: __, ...rest } = data;
  const split = `${data.split}, from sample ${start} on`;
  validateDataset({ ...rest, split, count, inputs: { ...form, data: inputs }, labels }, ignored);
  return { inputs, labels };
}

/** All of it in memory. Rejects with a ValueError on more than `most` samples (default: however many). */
export async function loadSharded(data: ShardedDataset, most = Number.POSITIVE_INFINITY): Promise<Dataset> {
  const { read: _, inputs, count, ...rest } = data;
  if (count > most) throw new ValueError(`data set ${data.name}: has ${count} samples, more than ${most}`);
  const { bytes: __, ...form } = inputs;
  const samples = await readPart(data, 0, count);
  return { ...rest, count, inputs: { ...form, data: samples.inputs }, labels: samples.labels };
}
