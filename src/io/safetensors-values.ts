/**
 * Decodes the values of a safetensors file. F16 and BF16 become float32 and small integers int32, which represent them
 * exactly; 64-bit integers become 32-bit ones, booleans bytes of 0 and 1. Assumes a little-endian host, as WebGPU does.
 */
import { floatFromHalf } from "../numbers/float16.ts";

export type TensorValues = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;
/** Must throw. */
type Refuse = (index: number, why: string) => never;
type Decode = (buffer: ArrayBuffer, refuse: Refuse) => TensorValues;

/** Bytes per value of each type that is read, and how its values are decoded. */
const types = {
  F64: [8, (b) => new Float64Array(b)],
  F32: [4, (b) => new Float32Array(b)],
  F16: [2, (b) => Float32Array.from(new Uint16Array(b), floatFromHalf)],
  // BF16 is the upper half of a float32.
  BF16: [2, (b) => new Float32Array(Uint32Array.from(new Uint16Array(b), (bits) => bits << 16).buffer)],
  I64: [8, (b, refuse) => checked(new BigInt64Array(b), Int32Array, refuse)],
  I32: [4, (b) => new Int32Array(b)],
  I16: [2, (b) => Int32Array.from(new Int16Array(b))],
  I8: [1, (b) => Int32Array.from(new Int8Array(b))],
  U64: [8, (b, refuse) => checked(new BigUint64Array(b), Uint32Array, refuse)],
  U32: [4, (b) => new Uint32Array(b)],
  U16: [2, (b) => Int32Array.from(new Uint16Array(b))],
  U8: [1, (b) => new Uint8Array(b)],
  BOOL: [1, booleans],
} as const satisfies Record<string, readonly [bytes: number, Decode]>;

export type Dtype = keyof typeof types;
export const dtypes = Object.keys(types) as Dtype[];

export const itemSize = (dtype: Dtype): number => types[dtype][0];

export function isDtype(name: unknown): name is Dtype {
  return typeof name === "string" && Object.hasOwn(types, name);
}

/** Calls `refuse` for integers that don't fit into 32 bits and booleans other than 0 and 1. */
export function decodeValues(dtype: Dtype, buffer: ArrayBuffer, refuse: Refuse): TensorValues {
  return (types[dtype][1] as Decode)(buffer, refuse);
}

function booleans(buffer: ArrayBuffer, refuse: Refuse): Uint8Array {
  const bytes = new Uint8Array(buffer);
  const at = bytes.findIndex((byte) => byte > 1);
  return at < 0 ? bytes : refuse(at, `a boolean is 0 or 1, got ${bytes[at]}`);
}

function checked<Values extends Int32Array | Uint32Array>(
  values: BigInt64Array | BigUint64Array,
  make: new (length: number) => Values,
  refuse: Refuse,
): Values {
  const numbers = new make(values.length);
  for (let i = 0; i < numbers.length; i++) {
    const value = Number(values[i]);
    numbers[i] = value;
    if (numbers[i] !== value) refuse(i, `${values[i]} does not fit in 32 bits`);
  }
  return numbers;
}
