/**
 * NumPy's `.npy`: a magic text, a version, a header that is a Python dictionary, the values. Reads whole numbers,
 * booleans and floats of either byte order, in C or Fortran order; gives C order.
 * Refuses structured and object arrays (pickles run code), shapes that do not match the bytes, and whole numbers beyond
 * 2^53. Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { FormatError } from "../../common/errors.ts";
import { quote } from "../../common/printable.ts";

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
/** NumPy writes headers of 118 bytes; version 1 allows 64 KiB. */
const MOST_HEADER = 65_536;

type Make = (count: number) => NpyValues;
type Read = (view: DataView, at: number, little: boolean) => number;
interface Kind {
  readonly bytes: number;
  readonly make: Make;
  readonly read: Read;
}

const bytes: Make = (count) => new Uint8Array(count);
const int32: Make = (count) => new Int32Array(count);
const float32: Make = (count) => new Float32Array(count);
const float64: Make = (count) => new Float64Array(count);

const KINDS: Readonly<Record<string, Kind>> = {
  b1: { bytes: 1, make: bytes, read: (view, at) => (view.getUint8(at) === 0 ? 0 : 1) },
  u1: { bytes: 1, make: bytes, read: (view, at) => view.getUint8(at) },
  i1: { bytes: 1, make: int32, read: (view, at) => view.getInt8(at) },
  u2: { bytes: 2, make: int32, read: (view, at, little) => view.getUint16(at, little) },
  i2: { bytes: 2, make: int32, read: (view, at, little) => view.getInt16(at, little) },
  i4: { bytes: 4, make: int32, read: (view, at, little) => view.getInt32(at, little) },
  u4: { bytes: 4, make: float64, read: (view, at, little) => view.getUint32(at, little) },
  i8: { bytes: 8, make: float64, read: (view, at, little) => Number(view.getBigInt64(at, little)) },
  u8: { bytes: 8, make: float64, read: (view, at, little) => Number(view.getBigUint64(at, little)) },
  f2: { bytes: 2, make: float32, read: (view, at, little) => half(view.getUint16(at, little)) },
  f4: { bytes: 4, make: float32, read: (view, at, little) => view.getFloat32(at, little) },
  f8: { bytes: 8, make: float64, read: (view, at, little) => view.getFloat64(at, little) },
};

/** A binary16 word as a number. */
function half(word: number): number {
  const sign = word & 0x8000 ? -1 : 1;
  const exponent = (word >> 10) & 31;
  const fraction = word & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** What stands before the values. */
export interface NpyHeader {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly fortran: boolean;
  /** Where the values begin. */
  readonly valuesAt: number;
  readonly bytesPerValue: number;
}

/** Most bytes that a header takes. */
export const MOST_NPY_HEADER = MOST_HEADER + 12;

/** Reads the header at the begin of `source`, which may end behind it; `name` is named in errors. */
export function parseNpyHeader(source: Uint8Array, name = "npy data"): NpyHeader {
  const fail = failing(name);
  if (MAGIC.some((byte, i) => source[i] !== byte)) fail("not a .npy file, expected \\x93NUMPY at byte 0");
  const view = new DataView(source.buffer, source.byteOffset, source.length);
  const version = source[6] ?? 0;
  if (version < 1 || version > 3) fail(`version ${version} at byte 6, versions 1 to 3 are read`);
  const start = version === 1 ? 10 : 12;
  if (source.length < start) fail(`truncated at byte ${source.length}, in the length of the header`);
  const headerBytes = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (headerBytes > MOST_HEADER) fail(`header of ${headerBytes} bytes, at most ${MOST_HEADER} are read`);
  const valuesAt = start + headerBytes;
  if (source.length < valuesAt) {
    fail(
      `truncated, the header takes ${headerBytes} bytes from byte ${start} on, ${source.length - start} are there`,
    );
  }
  const { dtype, fortran, shape } = parseHeader(latin1.decode(source.subarray(start, valuesAt)), fail);
  const kind = KINDS[dtype.slice(1)];
  if (kind === undefined) {
    return fail(
      `holds values of type ${quote(dtype)} (${OTHER_KINDS[dtype[1] as string]}); booleans, whole numbers and ` +
        "floats of 1 to 8 bytes are read",
    );
  }
  return { dtype, shape, fortran, valuesAt, bytesPerValue: kind.bytes };
}

/** Throws FormatError unless a file of `size` bytes holds the values that its header speaks of, and nothing behind them. */
export function checkNpySize(
  { dtype, shape, valuesAt, bytesPerValue }: NpyHeader,
  size: number,
  name: string,
) {
  const count = shape.reduce((product, extent) => product * extent, 1);
  const got = size - valuesAt;
  if (got !== count * bytesPerValue) {
    failing(name)(
      `[${shape.join(", ")}] of ${dtype} takes ${count * bytesPerValue} bytes from byte ${valuesAt} on, ${got} are there`,
    );
  }
}

/** Values of type `dtype` out of `source` from byte `from` on; value i of the result is the one at place `order[i]`, or i. */
export function readNpyValues(
  source: Uint8Array,
  from: number,
  dtype: string,
  count: number,
  name = "npy data",
  order?: Uint32Array,
): NpyValues {
  const view = new DataView(source.buffer, source.byteOffset, source.length);
  const kind = KINDS[dtype.slice(1)] as Kind;
  const data = kind.make(count);
  const little = dtype[0] !== ">";
  const isWhole = /[iu]8$/.test(dtype);
  for (let i = 0; i < count; i++) {
    const at = from + (order?.[i] ?? i) * kind.bytes;
    const value = kind.read(view, at, little);
    if (isWhole && !Number.isSafeInteger(value)) failing(name)(`value at byte ${at} is beyond 2^53`);
    data[i] = value;
  }
  return data;
}

/** Reads an array; `name` is named in errors. */
export function parseNpy(source: Uint8Array, name = "npy data"): NpyArray {
  const header = parseNpyHeader(source, name);
  checkNpySize(header, source.length, name);
  const { dtype, shape, fortran, valuesAt } = header;
  const count = shape.reduce((product, extent) => product * extent, 1);
  const order = fortran && shape.length > 1 ? fortranOrder(shape) : undefined;
  return { dtype, shape, data: readNpyValues(source, valuesAt, dtype, count, name, order) };
}

function failing(name: string): (what: string) => never {
  return (what) => {
    throw new FormatError(`${name}: ${what}`);
  };
}

/** What the first letter of a type stands for, of those that are not read. */
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

const fieldPattern = (key: string, value: string) =>
  new RegExp(`(?:^|[,\\s])[ubr]?(['"])${key}\\1\\s*:\\s*${value}`);
const DESCR = fieldPattern("descr", `(?:[ubr]?(['"])([^'"]*)\\2|[[(])`);
const ORDER = fieldPattern("fortran_order", "(True|False|1|0)\\b");
const SHAPE = fieldPattern("shape", "[[(]([^()[\\]]*)[)\\]]");
const latin1 = new TextDecoder("latin1");

/**
 * The dictionary that NumPy writes: the three keys in any order. Other writers leave out blanks or the last comma, or use
 * double quotes; Python 2 wrote long whole numbers (`2L`).
 */
function parseHeader(text: string, fail: (what: string) => never) {
  const dictionary = /^\s*\{(.*)\}[\s\0]*$/s.exec(text)?.[1];
  if (dictionary === undefined) return fail(`the header is no dictionary: ${quote(text)}`);
  const descr = DESCR.exec(dictionary);
  if (descr !== null && descr[3] === undefined)
    return fail("holds a structured array; give each field a file of its own");
  const dtype = dtypeOf(descr?.[3] ?? fail(`the header has no 'descr': ${quote(text)}`), fail);
  const order = ORDER.exec(dictionary)?.[2];
  if (order === undefined) return fail(`the header has no 'fortran_order': ${quote(text)}`);
  const tuple = SHAPE.exec(dictionary)?.[2];
  if (tuple === undefined) return fail(`the header has no 'shape': ${quote(text)}`);
  const extents = tuple.split(",").map((extent) => extent.trim().replace(/^(\d+)[lL]$/, "$1"));
  if (extents.at(-1) === "") extents.pop();
  if (extents.length > 32 || extents.some((extent) => !/^\d{1,15}$/.test(extent))) {
    return fail(`the header's shape (${tuple.slice(0, 40)}) is no tuple of whole numbers`);
  }
  return { dtype, fortran: order === "True" || order === "1", shape: extents.map(Number) };
}

/** A type as NumPy writes it: byte order, letter, bytes. Others leave out the order, or write a type's name. */
function dtypeOf(descr: string, fail: (what: string) => never): string {
  if (descr.includes("O")) fail("holds Python objects, which are never unpickled");
  const [, letters, bits] = /^(float|int|uint)(8|16|32|64)$/.exec(descr) ?? [];
  let dtype = letters === undefined ? descr : `<${letters[0]}${Number(bits) / 8}`;
  if (/^[<>|=]?(\?|bool_?)$/.test(descr)) dtype = "|b1";
  else if (/^[a-zA-Z]\d+$/.test(dtype)) dtype = `<${dtype}`;
  const kind = /^[<>|=]([a-zA-Z])\d*(\[.*\])?$/.exec(dtype)?.[1];
  if (kind === undefined || (KINDS[dtype.slice(1)] === undefined && OTHER_KINDS[kind] === undefined))
    fail(`the header's descr ${quote(descr)} is no type`);
  return dtype;
}

/** For each position in C order its position in Fortran order. */
function fortranOrder(shape: readonly number[]): Uint32Array {
  const rank = shape.length;
  const count = shape.reduce((product, extent) => product * extent, 1);
  const strides = shape.map((_, axis) =>
    shape.slice(0, axis).reduce((product, extent) => product * extent, 1),
  );
  const places = new Uint32Array(count);
  const index = new Array<number>(rank).fill(0);
  let place = 0;
  for (let i = 0; i < count; i++) {
    places[i] = place;
    for (let axis = rank - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] as number) + 1;
      place += strides[axis] as number;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      place -= (strides[axis] as number) * (shape[axis] as number);
      index[axis] = 0;
    }
  }
  return places;
}
