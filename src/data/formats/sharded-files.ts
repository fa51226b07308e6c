/**
 * Data sets that stay in their files and are read in parts: IDX, CIFAR-10's binary batches, NumPy's .npy, and plain values
 * one after the other. Refuses packed files, files whose sizes contradict their headers or each other, and, when a part is
 * read, labels and values that can't be.
 */
import { FormatError, ValueError } from "../../common/errors.ts";
import { checkOptions, type OptionKinds } from "../../common/options.ts";
import { type ByteSource, readBytes, readHead } from "../byte-source.ts";
import { sampleSize } from "../dataset.ts";
import { parseCifarBatch } from "../published/cifar10.ts";
import type { ShardedDataset } from "../sharded.ts";
import { idxHeaderBytes, parseIdxHeader } from "./idx.ts";
import { checkNpySize, MOST_NPY_HEADER, parseNpyHeader, readNpyValues } from "./npy.ts";

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
  /** Number of classes; the labels are class numbers then, else values. */
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

/** Values in a file: sample i takes `bytes` from byte `at + i * bytes` on, and has `shape`. */
interface Column {
  readonly source: ByteSource;
  readonly at: number;
  readonly bytes: number;
  readonly count: number;
  readonly shape: readonly number[];
  /** The values of some samples out of their bytes. */
  values(bytes: Uint8Array): Uint8Array | Int32Array | Float32Array | Float64Array;
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
    const [count = 0, ...extents] = parseIdxHeader(
      await readHead(source, at),
      source.size,
      rank,
      source.name,
    );
    const shape = extents.length === 0 ? [1] : [1, ...extents];
    return { source, at, bytes: sampleSize(shape), count, shape, values: (bytes) => bytes };
  };
  const [images, labels] = await Promise.all([open(files.images, 3), open(files.labels, 1)]);
  return ofColumns(images, labels, true, { classes: 10, ...options });
}

/** Inputs [count, …] and labels [count] or targets [count, …] in two .npy files in C order. */
export async function shardedNpy(
  files: { readonly inputs: ByteSource; readonly labels: ByteSource },
  options: ClassOptions = {},
): Promise<ShardedDataset> {
  checkOptions("shardedNpy", options, CLASSES);
  checkOptions("shardedNpy: files", files, { inputs: "object", labels: "object" });
  const open = async (source: ByteSource): Promise<readonly [Column, string]> => {
    const header = parseNpyHeader(await readHead(source, MOST_NPY_HEADER), source.name);
    checkNpySize(header, source.size, source.name);
    const { dtype, shape, fortran, valuesAt: at, bytesPerValue } = header;
    if (fortran && shape.length > 1) {
      throw new FormatError(`${source.name}: is in Fortran order, in which samples don't lie together`);
    }
    const [count = 0, ...extents] = shape;
    const each = sampleSize(extents);
    const values = (bytes: Uint8Array) =>
      readNpyValues(bytes, 0, dtype, bytes.length / bytesPerValue, source.name);
    return [
      { source, at, bytes: each * bytesPerValue, count, shape: extents.length === 0 ? [1] : extents, values },
      dtype,
    ];
  };
  const [[inputs, dtype], [labels]] = await Promise.all([open(files.inputs), open(files.labels)]);
  return ofColumns(inputs, labels, /^.u1$/.test(dtype), options);
}

/** Plain values of one type, little-endian, from byte `at` (default 0) on. */
export interface RawFile {
  readonly source: ByteSource;
  readonly dtype: "u8" | "i32" | "f32";
  readonly at?: number;
}

/** Inputs of `shape` and labels (of `labelShape`, default one) as plain values. Bytes stay bytes, other inputs become floats. */
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
    if (!(Number.isInteger(count) && count >= 1)) {
      throw new FormatError(
        `${source.name}: expected whole samples of ${bytes} bytes from byte ${at} on, got ${source.size - at} bytes`,
      );
    }
    const values = (part: Uint8Array) => {
      if (dtype === "u8") return part;
      const npy = dtype === "i32" ? "<i4" : "<f4";
      return readNpyValues(part, 0, npy, part.length / 4, source.name);
    };
    return { source, at, bytes, count, shape: of, values };
  };
  const [inputs, labels] = await Promise.all([open(files.inputs, shape), open(files.labels, labelShape)]);
  return ofColumns(inputs, labels, files.inputs.dtype === "u8", rest);
}

/** CIFAR-10's binary batches, unpacked, in the order given. Throws FormatError on none or on parts of records. */
export async function shardedCifar10(
  batches: readonly ByteSource[],
  options: ShardedFileOptions = {},
): Promise<ShardedDataset> {
  checkOptions("shardedCifar10", options, FILES);
  const RECORD = 3073;
  const counts: number[] = [];
  for (const batch of batches) {
    await readHead(batch, 2);
    if (batch.size === 0 || batch.size % RECORD !== 0) {
      throw new FormatError(
        `${batch.name}: expected whole records of ${RECORD} bytes, got ${batch.size} bytes`,
      );
    }
    counts.push(batch.size / RECORD);
  }
  if (batches.length === 0) throw new ValueError("shardedCifar10: needs at least one batch");
  const { name = "cifar10", split = "all", classNames, scale = 1 / 255, offset = 0 } = options;
  return {
    name,
    split,
    count: counts.reduce((a, b) => a + b),
    inputs: { shape: [3, 32, 32], bytes: true, scale, offset },
    classes: 10,
    ...(classNames === undefined ? {} : { classNames }),
    async read(start, count) {
      const inputs = new Uint8Array(count * (RECORD - 1));
      const labels = new Int32Array(count);
      let [first, done] = [0, 0];
      for (const [i, batch] of batches.entries()) {
        const here = counts[i] as number;
        const begin = Math.max(start + done, first) - first;
        const n = Math.min(here - begin, count - done);
        if (n > 0) {
          const bytes = await readBytes(batch, begin * RECORD, n * RECORD);
          const part = parseCifarBatch(bytes, `${batch.name} from byte ${begin * RECORD} on`);
          inputs.set(part.images, done * (RECORD - 1));
          labels.set(part.labels, done);
          done += n;
        }
        first += here;
      }
      return { inputs, labels };
    },
  };
}

function ofColumns(inputs: Column, labels: Column, bytes: boolean, options: ClassOptions): ShardedDataset {
  const { source, count, shape } = inputs;
  const { name = source.name, split = "all", classes, classNames, offset = 0 } = options;
  if (labels.count !== count) {
    throw new FormatError(
      `${name}: ${source.name} holds ${count} samples, ${labels.source.name} holds ${labels.count} labels`,
    );
  }
  if (count === 0 || inputs.bytes === 0) throw new FormatError(`${source.name}: holds no samples`);
  if (classes !== undefined && sampleSize(labels.shape) !== 1) {
    throw new FormatError(
      `${labels.source.name}: class labels must be one number per sample, got [${labels.shape.join(", ")}]`,
    );
  }
  const part = async (column: Column, start: number, n: number) =>
    column.values(await readBytes(column.source, column.at + start * column.bytes, n * column.bytes));
  return {
    name,
    split,
    count,
    inputs: { shape, bytes, scale: options.scale ?? (bytes ? 1 / 255 : 1), offset },
    ...(classes === undefined ? { labelShape: labels.shape } : { classes }),
    ...(classNames === undefined ? {} : { classNames }),
    async read(start, n) {
      const [x, y] = await Promise.all([part(inputs, start, n), part(labels, start, n)]);
      if (classes !== undefined && !(y instanceof Uint8Array || y instanceof Int32Array)) {
        const bad = y.findIndex((label) => !Number.isInteger(label));
        if (bad >= 0)
          throw new FormatError(`${labels.source.name}: label ${y[bad]} of sample ${start + bad}`);
      }
      return {
        inputs: bytes ? (x as Uint8Array) : x instanceof Float32Array ? x : Float32Array.from(x),
        labels: classes !== undefined ? Int32Array.from(y) : Float32Array.from(y),
      };
    },
  };
}
