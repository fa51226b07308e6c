/**
 * Data sets that stay in their files and are read in parts: IDX, CIFAR-10's binary batches, NumPy's .npy, and plain values.
 * Each function rejects with a FormatError on compressed files and on files whose sizes contradict their headers or each
 * other. Labels and values are checked when a part is read.
 */

import { FormatError } from "../../validation/errors.ts";
import { expectFormat, expectValue } from "../../validation/expect.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import { type ByteSource, readBytes, readHead } from "../byte-source.ts";
import { sampleSize } from "../dataset.ts";
import { CIFAR_RECORD, parseCifarBatch } from "../published/cifar10.ts";
import type { ShardedDataset } from "../sharded.ts";
import { idxHeaderBytes, parseIdxHeader } from "./idx.ts";
import { checkNpySize, MOST_NPY_HEADER, type NpyValues, parseNpyHeader, readNpyValues } from "./npy.ts";

export interface ShardedFileOptions {
  /** Default: the name of the inputs' file. */
  readonly name?: string;
  /** Default "all". */
  readonly split?: string;
  readonly classNames?: readonly string[];
  /** What the network sees is `value * scale + offset`; default 1 / 255 for bytes, else 1. */
  readonly scale?: number;
  /** Default 0. */
  readonly offset?: number;
}

export interface ClassOptions extends ShardedFileOptions {
  /** Number of classes; without it the labels are values. */
  readonly classes?: number;
}

const FILES = {
  name: "string",
  split: "string",
  classNames: "array",
  scale: "number",
  offset: "number",
} as const satisfies OptionKinds<ShardedFileOptions>;
const CLASSES = { ...FILES, classes: "number" } as const satisfies OptionKinds<ClassOptions>;

/** Values in a file: sample i has `shape` and takes `bytes` from byte `at + i * bytes` on. */
interface Column {
  readonly source: ByteSource;
  readonly at: number;
  readonly bytes: number;
  readonly count: number;
  readonly shape: readonly number[];
  /** Decodes the bytes of some samples. */
  decode(bytes: Uint8Array): NpyValues;
}

/** Images and labels in unpacked IDX files, such as MNIST's. `classes` defaults to 10. */
export async function shardedIdx(
  files: { readonly images: ByteSource; readonly labels: ByteSource },
  options: ClassOptions = {},
): Promise<ShardedDataset> {
  checkOptions("shardedIdx", options, CLASSES);
  checkOptions("shardedIdx: files", files, { images: "object", labels: "object" });
  const open = async (source: ByteSource, rank: number): Promise<Column> => {
    const at = idxHeaderBytes(rank);
    const header = await readHead(source, at);
    const [count = 0, ...extents] = parseIdxHeader(header, source.size, rank, source.name);
    const shape = [1, ...extents];
    return { source, at, bytes: sampleSize(shape), count, shape, decode: (bytes) => bytes };
  };
  const [images, labels] = await Promise.all([open(files.images, 3), open(files.labels, 1)]);
  return datasetOfColumns(images, labels, true, { classes: 10, ...options });
}

/** Inputs [count, …] and labels [count] or targets [count, …] in two .npy files in C order. */
export async function shardedNpy(
  files: { readonly inputs: ByteSource; readonly labels: ByteSource },
  options: ClassOptions = {},
): Promise<ShardedDataset> {
  checkOptions("shardedNpy", options, CLASSES);
  checkOptions("shardedNpy: files", files, { inputs: "object", labels: "object" });
  const open = async (source: ByteSource): Promise<Column & { readonly dtype: string }> => {
    const { name, size } = source;
    const header = parseNpyHeader(await readHead(source, MOST_NPY_HEADER), name);
    checkNpySize(header, size, name);
    const { dtype, shape, fortran, valuesAt: at, bytesPerValue } = header;
    expectFormat(
      !fortran || shape.length <= 1,
      `${name}: is in Fortran order, in which the values of a sample are not contiguous`,
    );
    const [count = 0, ...extents] = shape;
    return {
      source,
      at,
      bytes: sampleSize(extents) * bytesPerValue,
      count,
      shape: extents.length === 0 ? [1] : extents,
      dtype,
      decode: (bytes) => readNpyValues(bytes, 0, dtype, bytes.length / bytesPerValue, name),
    };
  };
  const [inputs, labels] = await Promise.all([open(files.inputs), open(files.labels)]);
  return datasetOfColumns(inputs, labels, /^.u1$/.test(inputs.dtype), options);
}

/** Plain values of one type, little-endian, from byte `at` (default 0) on. */
export interface RawFile {
  readonly source: ByteSource;
  readonly dtype: "u8" | "i32" | "f32";
  readonly at?: number;
}

const NPY_TYPES = { u8: "|u1", i32: "<i4", f32: "<f4" } as const;

/** Inputs of `shape` and labels (of `labelShape`, default [1]) as plain values. Bytes stay bytes, other inputs become floats. */
export async function shardedRaw(
  files: { readonly inputs: RawFile; readonly labels: RawFile },
  options: ClassOptions & { readonly shape: readonly number[]; readonly labelShape?: readonly number[] },
): Promise<ShardedDataset> {
  const kinds = { ...CLASSES, shape: "array", labelShape: "array" } as const;
  checkOptions("shardedRaw: files", files, { inputs: "object", labels: "object" });
  const { shape, labelShape = [1], ...rest } = checkOptions("shardedRaw", options, kinds);
  const open = async ({ source, dtype, at = 0 }: RawFile, of: readonly number[]): Promise<Column> => {
    await readHead(source, 2);
    const width = dtype === "u8" ? 1 : 4;
    const bytes = sampleSize(of) * width;
    const count = (source.size - at) / bytes;
    expectFormat(
      Number.isInteger(count) && count >= 1,
      `${source.name}: expected whole samples of ${bytes} bytes from byte ${at} on, got ${source.size - at} bytes`,
    );
    const decode = (part: Uint8Array) =>
      dtype === "u8" ? part : readNpyValues(part, 0, NPY_TYPES[dtype], part.length / width, source.name);
    return { source, at, bytes, count, shape: of, decode };
  };
  const [inputs, labels] = await Promise.all([open(files.inputs, shape), open(files.labels, labelShape)]);
  return datasetOfColumns(inputs, labels, files.inputs.dtype === "u8", rest);
}

/** CIFAR-10's binary batches, unpacked, in the order given. */
export async function shardedCifar10(
  batches: readonly ByteSource[],
  options: ShardedFileOptions = {},
): Promise<ShardedDataset> {
  checkOptions("shardedCifar10", options, FILES);
  expectValue(batches.length > 0, "shardedCifar10: needs at least one batch");
  for (const batch of batches) {
    await readHead(batch, 2);
    expectFormat(
      batch.size > 0 && batch.size % CIFAR_RECORD === 0,
      `${batch.name}: expected whole records of ${CIFAR_RECORD} bytes, got ${batch.size} bytes`,
    );
  }
  const { name = "cifar10", split = "all", classNames, scale = 1 / 255, offset = 0 } = options;
  return {
    name,
    split,
    count: batches.reduce((sum, { size }) => sum + size, 0) / CIFAR_RECORD,
    inputs: { shape: [3, 32, 32], bytes: true, scale, offset },
    classes: 10,
    ...(classNames === undefined ? {} : { classNames }),
    async read(start, count) {
      const inputs = new Uint8Array(count * (CIFAR_RECORD - 1));
      const labels = new Int32Array(count);
      let [batchStart, done] = [0, 0];
      for (const batch of batches) {
        const records = batch.size / CIFAR_RECORD;
        const begin = start + done - batchStart;
        const n = Math.min(records - begin, count - done);
        if (n > 0) {
          const bytes = await readBytes(batch, begin * CIFAR_RECORD, n * CIFAR_RECORD);
          const part = parseCifarBatch(bytes, `${batch.name} from byte ${begin * CIFAR_RECORD} on`);
          inputs.set(part.images, done * (CIFAR_RECORD - 1));
          labels.set(part.labels, done);
          done += n;
        }
        batchStart += records;
      }
      return { inputs, labels };
    },
  };
}

function datasetOfColumns(
  inputs: Column,
  labels: Column,
  bytes: boolean,
  options: ClassOptions,
): ShardedDataset {
  const { source, count, shape } = inputs;
  const { name = source.name, split = "all", classes, classNames, offset = 0 } = options;
  const labelFile = labels.source.name;
  expectFormat(
    labels.count === count,
    `${name}: ${source.name} holds ${count} samples, ${labelFile} holds ${labels.count} labels`,
  );
  expectFormat(count > 0 && inputs.bytes > 0, `${source.name}: holds no samples`);
  expectFormat(
    classes === undefined || sampleSize(labels.shape) === 1,
    `${labelFile}: class labels must be one number per sample, got [${labels.shape.join(", ")}]`,
  );
  const part = async (column: Column, start: number, n: number) =>
    column.decode(await readBytes(column.source, column.at + start * column.bytes, n * column.bytes));
  return {
    name,
    split,
    count,
    inputs: { shape, bytes, scale: options.scale ?? (bytes ? 1 / 255 : 1), offset },
    ...(classes === undefined ? { labelShape: labels.shape } : { classes }),
    ...(classNames === undefined ? {} : { classNames }),
    async read(start, n) {
      const [x, y] = await Promise.all([part(inputs, start, n), part(labels, start, n)]);
      const fraction = classes === undefined ? -1 : y.findIndex((label) => !Number.isInteger(label));
      if (fraction >= 0)
        throw new FormatError(`${labelFile}: label ${y[fraction]} of sample ${start + fraction}`);
      return {
        inputs: bytes ? (x as Uint8Array) : x instanceof Float32Array ? x : Float32Array.from(x),
        labels: classes === undefined ? Float32Array.from(y) : Int32Array.from(y),
      };
    },
  };
}
