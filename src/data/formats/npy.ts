/**
 * NumPy's `.npy` format: a magic text, a version, a header that is a Python dictionary, the values. Reads whole numbers,
 * booleans and floats of either byte order, in C or Fortran order.
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */

import { floatFromHalf } from "../../numbers/float16.ts";
import { FormatError } from "../../validation/errors.ts";
import { expectFormat } from "../../validation/expect.ts";
import { quote } from "../../validation/printable.ts";
import { sampleSize } from "../dataset.ts";

export type NpyValues = Uint8Array | Int32Array | Float32Array | Float64Array;

export interface NpyArray {
  /** As in the file: "|u1", "<f4", ... */
  readonly dtype: string;
  readonly shape: readonly number[];
  /**
   * In C order. u1, b1: bytes; i1, i2, u2, i4: int32; f2, f4: float32; f8 and u4, i8, u8: float64, which holds whole
   * numbers up to 2^53 exactly.
   */
  readonly data: NpyValues;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** Longest dictionary that is read. NumPy writes 118 bytes; version 1 of the format allows 64 KiB. */
const MOST_DICTIONARY = 65_536;
/** Longest header, with the bytes before its dictionary. */
export const MOST_NPY_HEADER = MOST_DICTIONARY + 12;

interface Kind {
  readonly bytes: number;
  readonly array: new (length: number) => NpyValues;
  readonly read: (view: DataView, at: number, little: boolean) => number;
}

const KINDS: Readonly<Record<string, Kind>> = {
  b1: { bytes: 1, array: Uint8Array, read: (view, at) => (view.getUint8(at) === 0 ? 0 : 1) },
  u1: { bytes: 1, array: Uint8Array, read: (view, at) => view.getUint8(at) },
  i1: { bytes: 1, array: Int32Array, read: (view, at) => view.getInt8(at) },
  u2: { bytes: 2, array: Int32Array, read: (view, at, little) => view.getUint16(at, little) },
  i2: { bytes: 2, array: Int32Array, read: (view, at, little) => view.getInt16(at, little) },
  i4: { bytes: 4, array: Int32Array, read: (view, at, little) => view.getInt32(at, little) },
  u4: { bytes: 4, array: Float64Array, read: (view, at, little) => view.getUint32(at, little) },
  i8: { bytes: 8, array: Float64Array, read: (view, at, little) => Number(view.getBigInt64(at, little)) },
  u8: { bytes: 8, array: Float64Array, read: (view, at, little) => Number(view.getBigUint64(at, little)) },
  f2: {
    bytes: 2,
    array: Float32Array,
    read: (view, at, little) => floatFromHalf(view.getUint16(at, little)),
  },
  f4: { bytes: 4, array: Float32Array, read: (view, at, little) => view.getFloat32(at, little) },
  f8: { bytes: 8, array: Float64Array, read: (view, at, little) => view.getFloat64(at, little) },
};

/** What the first letter of a type that is not read means. */
const OTHER_KINDS: Readonly<Record<string, string>> = {
  S: "text",
  a: "text",
  U: "text",
  T: "text",
  c: "complex numbers",
  M: "dates",
  m: "time differences",
  V: "raw bytes",
  f: "floats of more than 8 bytes",
};

export interface NpyHeader {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly fortran: boolean;
  /** Where the values begin. */
  readonly valuesAt: number;
  readonly bytesPerValue: number;
}

/**
 * Parses the header at the beginning of `source`, which may end after it. Throws FormatError, naming `name`, on other formats
 * and versions, and on structured and object arrays (reading the pickles in them would run code).
 */
export function parseNpyHeader(source: Uint8Array, name = "npy data"): NpyHeader {
  const isNpy = MAGIC.every((byte, i) => source[i] === byte);
  expectFormat(isNpy, `${name}: not a .npy file, expected \\x93NUMPY at byte 0`);
  const view = new DataView(source.buffer, source.byteOffset, source.length);
  const version = source[6] ?? 0;
  expectFormat(
    version >= 1 && version <= 3,
    `${name}: version ${version} at byte 6, versions 1 to 3 are read`,
  );
  const start = version === 1 ? 10 : 12;
  expectFormat(
    source.length >= start,
    `${name}: truncated at byte ${source.length}, in the length of the header`,
  );
  const bytes = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  expectFormat(
    bytes <= MOST_DICTIONARY,
    `${name}: header of ${bytes} bytes, at most ${MOST_DICTIONARY} are read`,
  );
  const valuesAt = start + bytes;
  const available = source.length - start;
  expectFormat(
    available >= bytes,
    `${name}: truncated, the header takes ${bytes} bytes from byte ${start} on, ${available} are there`,
  );
  const header = parseDictionary(latin1.decode(source.subarray(start, valuesAt)), name);
  return { ...header, valuesAt, bytesPerValue: kindOf(header.dtype, name).bytes };
}

/** Throws FormatError unless a file of `size` bytes holds exactly the values that its header describes. */
export function checkNpySize(header: NpyHeader, size: number, name: string): void {
  const { dtype, shape, valuesAt, bytesPerValue } = header;
  const expected = sampleSize(shape) * bytesPerValue;
  expectFormat(
    size - valuesAt === expected,
    `${name}: [${shape.join(", ")}] of ${dtype} takes ${expected} bytes from byte ${valuesAt} on, ${size - valuesAt} are there`,
  );
}

/**
 * Reads `count` values of type `dtype` from byte `from` of `source` on. Value i of the result is the one at position
 * `order[i]`, or i without `order`. Throws FormatError on whole numbers beyond 2^53.
 */
export function readNpyValues(
  source: Uint8Array,
  from: number,
  dtype: string,
  count: number,
  name = "npy data",
  order?: Uint32Array,
): NpyValues {
  const view = new DataView(source.buffer, source.byteOffset, source.length);
  const { array, bytes, read } = kindOf(dtype, name);
  const data = new array(count);
  const little = dtype[0] !== ">";
  const mayBeUnsafe = /[iu]8$/.test(dtype);
  for (let i = 0; i < count; i++) {
    const at = from + (order?.[i] ?? i) * bytes;
    const value = read(view, at, little);
    if (mayBeUnsafe && !Number.isSafeInteger(value))
      throw new FormatError(`${name}: value at byte ${at} is beyond 2^53`);
    data[i] = value;
  }
  return data;
}

/** Parses an array. `name` is named in errors. */
export function parseNpy(source: Uint8Array, name = "npy data"): NpyArray {
  const header = parseNpyHeader(source, name);
  checkNpySize(header, source.length, name);
  const { dtype, shape, fortran, valuesAt } = header;
  const order = fortran && shape.length > 1 ? fortranOrder(shape) : undefined;
  return { dtype, shape, data: readNpyValues(source, valuesAt, dtype, sampleSize(shape), name, order) };
}

const fieldPattern = (key: string, value: string) =>
  new RegExp(`(?:^|[,\\s])[ubr]?(['"])${key}\\1\\s*:\\s*${value}`);
const DESCR = fieldPattern("descr", `(?:[ubr]?(['"])([^'"]*)\\2|[[(])`);
const ORDER = fieldPattern("fortran_order", "(True|False|1|0)\\b");
const SHAPE = fieldPattern("shape", "[[(]([^()[\\]]*)[)\\]]");
const latin1 = new TextDecoder("latin1");

/**
 * Parses the dictionary that NumPy writes: three keys in any order. Other writers leave out blanks or the last comma, or
 * use double quotes; Python 2 wrote long whole numbers (`2L`).
 */
function parseDictionary(text: string, name: string) {
  const dictionary = /^\s*\{(.*)\}[\s\0]*$/s.exec(text)?.[1];
  expectFormat(dictionary !== undefined, `${name}: the header is no dictionary: ${quote(text)}`);
  const field = (pattern: RegExp, key: string) => {
    const match = pattern.exec(dictionary);
    expectFormat(match, `${name}: the header has no '${key}': ${quote(text)}`);
    return match;
  };
  const descr = field(DESCR, "descr")[3];
  expectFormat(descr !== undefined, `${name}: holds a structured array; give each field a file of its own`);
  const dtype = dtypeOf(descr, name);
  const order = field(ORDER, "fortran_order")[2];
  const tuple = field(SHAPE, "shape")[2] as string;
  const extents = tuple.split(",").map((extent) => extent.trim().replace(/^(\d+)[lL]$/, "$1"));
  if (extents.at(-1) === "") extents.pop();
  expectFormat(
    extents.length <= 32 && extents.every((extent) => /^\d{1,15}$/.test(extent)),
    `${name}: the header's shape (${tuple.slice(0, 40)}) is no tuple of whole numbers`,
  );
  return { dtype, fortran: order === "True" || order === "1", shape: extents.map(Number) };
}

/** A type as NumPy writes it: byte order, letter, bytes. Other writers leave out the order, or write a type's name. */
function dtypeOf(descr: string, name: string): string {
  expectFormat(!descr.includes("O"), `${name}: holds Python objects, which are never unpickled`);
  const [, letters, bits] = /^(float|int|uint)(8|16|32|64)$/.exec(descr) ?? [];
  if (letters !== undefined) return `<${letters[0]}${Number(bits) / 8}`;
  if (/^[<>|=]?(\?|bool_?)$/.test(descr)) return "|b1";
  const dtype = /^[a-zA-Z]\d+$/.test(descr) ? `<${descr}` : descr;
  const letter = /^[<>|=]([a-zA-Z])\d*(\[.*\])?$/.exec(dtype)?.[1];
  const isKnown = letter !== undefined && (KINDS[dtype.slice(1)] ?? OTHER_KINDS[letter]) !== undefined;
  expectFormat(isKnown, `${name}: the header's descr ${quote(descr)} is no type`);
  return dtype;
}

function kindOf(dtype: string, name: string): Kind {
  const kind = KINDS[dtype.slice(1)];
  expectFormat(
    kind,
    `${name}: holds values of type ${quote(dtype)} (${OTHER_KINDS[dtype[1] as string]}); booleans, whole numbers and ` +
      "floats of 1 to 8 bytes are read",
  );
  return kind;
}

/** For each position in C order the position of the same value in Fortran order. */
function fortranOrder(shape: readonly number[]): Uint32Array {
  const strides = shape.map((_, axis) => sampleSize(shape.slice(0, axis)));
  return Uint32Array.from({ length: sampleSize(shape) }, (_, i) => {
    let [rest, position] = [i, 0];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const extent = shape[axis] as number;
      position += (rest % extent) * (strides[axis] as number);
      rest = Math.floor(rest / extent);
    }
    return position;
  });
}
