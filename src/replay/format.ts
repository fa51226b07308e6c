/**
 * The file format of a training run that was compiled ahead of time, as plain data (JSON): program images of its steps, first
 * values of its states, and what a trainer must know. `compileAheadOfTime` makes it, `readProgram` checks it, `openProgram`
 * runs it.
 */

import { crc32 } from "../data/archives/zip.ts";
import { type Data, type DType, type Shape, sizeOf } from "../graph/spec.ts";
import { constant, type Initial, input, state, type Tensor } from "../graph/tensor.ts";
import { type Distribution, draw } from "../numbers/random.ts";
import type { ImageTables, LeafImage, ProgramImage, ShaderModule } from "../plan/image.ts";

/** Changes when earlier programs can no longer be read. */
export const FORMAT = 2;

export interface AheadOfTimeProgram extends Omit<ImageTables, "leaves"> {
  readonly weftProgram: typeof FORMAT;
  /** CRC-32 of the modules, eight hexadecimal digits: see `checksumOf`. */
  readonly checksum: string;
  /** Invocations of every subgroup that the kernels are written for; 0 where they use none. */
  readonly subgroupSize: number;
  /** Seed of initial weights and shuffling, unless another is given. */
  readonly seed: number;
  /** Samples per training step. */
  readonly batchSize: number;
  readonly leaves: readonly StoredLeaf[];
  readonly states: StoredStates;
  readonly train: StoredSteps;
  readonly test?: StoredSteps | undefined;
  /** Other programs, by name. */
  readonly programs: Readonly<Record<string, StoredProgram>>;
}

/** One image without what all images of the program share. */
export type StoredImage = Pick<ProgramImage, "buffers" | "dispatches" | "outputs">;

export interface StoredLeaf extends LeafImage {
  /** First value of a state, or the value of a constant; zero where it is missing. */
  readonly initial?: StoredValue;
  /** Random stream of the seed that `initial` is drawn from, where it is drawn. */
  readonly stream?: number;
}

/** One number for all elements, the bytes of all numbers in base 64 (little-endian), or drawn at random from the seed. */
export type StoredValue = number | string | Distribution;

/** A leaf by its index, under the name that files and callers use. */
export interface NamedLeaf {
  readonly name: string;
  readonly leaf: number;
}

/** The states of a trainer, by their index in `leaves`. */
export interface StoredStates {
  readonly parameters: readonly NamedLeaf[];
  readonly buffers: readonly NamedLeaf[];
  readonly packed: readonly NamedLeaf[];
  readonly step: number;
  readonly key: number;
  readonly learningRate: number;
}

/** What a data set must look like, and the leaves it is written to. */
export interface StoredData {
  /** Leaf of the inputs, u32 (four bytes to a word) or f32. Its size is that of the data set in use. */
  readonly inputs: number;
  /** Leaf of the labels, i32 (class numbers) or f32. Its size is that of the data set in use. */
  readonly labels: number;
  /** Kernel that forms batches: its constants depend on the number of samples, see `countConstants`. */
  readonly kernel: number;
  /** Of one sample. */
  readonly shape: Shape;
  /** Numbers in one label. */
  readonly labelSize: number;
  /** Samples are multiplied by `scale`, then shifted by `offset`. */
  readonly scale: number;
  readonly offset: number;
}

/** A program that steps through a data set. */
export interface StoredSteps extends StoredImage {
  readonly batchSize: number;
  readonly data: StoredData;
  /** Leaf of its step counter, u32 [1]. */
  readonly step: number;
  /** Leaf with its metrics, f32 [rows, width]: a row per step. */
  readonly ring: number;
  /** Values of a row; `loss` and `count` come first. */
  readonly columns: readonly { readonly name: string; readonly size: number }[];
  readonly sums: readonly string[];
}

/** A program with named inputs and outputs; the labels of its outputs are their names. */
export interface StoredProgram extends StoredImage {
  readonly inputs: readonly NamedLeaf[];
}

/** Name of the program that `predict` runs. */
export const PREDICT = "predict";

export function checksumOf(modules: readonly ShaderModule[]): string {
  const text = modules.map(({ file, code }) => `${file}\n${code}\n`).join("");
  return crc32(new TextEncoder().encode(text)).toString(16).padStart(8, "0");
}

/** `data` in its shortest form. */
export function storedValue(data: Data): number | string {
  const words = data instanceof Float64Array ? Float32Array.from(data) : data;
  const [first = 0] = words;
  // JSON has no infinities and no -0.
  const plain = Number.isFinite(first) && !Object.is(first, -0);
  if (plain && words.every((value) => value === first && !Object.is(value, -0))) return first;
  const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** The data in a base 64 text of `storedValue`. Throws SyntaxError or RangeError on other texts. */
export function dataOf(dtype: DType, base64: string): Data {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  return new { f32: Float32Array, i32: Int32Array, u32: Uint32Array }[dtype](bytes.buffer);
}

/** A tensor that stands for a leaf, with the same first value. */
export function tensorOf({ kind, label, shape, dtype, initial = 0 }: StoredLeaf): Tensor {
  if (kind === "input") return input(shape, dtype, label);
  const size = sizeOf(shape);
  const value: Initial =
    typeof initial === "number"
      ? initial
      : typeof initial === "string"
        ? dataOf(dtype, initial)
        : Object.assign((random: Parameters<typeof draw>[0]) => draw(random, initial, size), {
            distribution: initial,
          });
  if (kind === "state") return state(shape, value, dtype, label);
  const Kind = { f32: Float32Array, i32: Int32Array, u32: Uint32Array }[dtype];
  return constant(typeof value === "number" ? new Kind(size).fill(value) : (value as Data), shape, label);
}
