/**
 * Decodes the values of a safetensors file. F16 and BF16 become float32 and small integers int32, which represent them
 * exactly; 64-bit integers become 32-bit ones, booleans bytes of 0 and 1. Assumes a little-endian host, as WebGPU does.
 */
import { floatFromHalf } from "../numbers/float16.ts";

/** Bytes per value of each type that is read. */
export const itemSizes = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;

export type Dtype = keyof typeof itemSizes;
export type TensorValues = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;

export function isDtype(name: unknown): name is Dtype {
  return typeof name === "string" && Object.hasOwn(itemSizes, name);
}

/**
 * `raw` must start at offset 0 of its own buffer. `refuse` is called, and must throw, for integers that don't fit into 32
 * bits and booleans other than 0 and 1.
 */
export function decodeValues(
  dtype: Dtype,
  raw: Uint8Array<ArrayBuffer>,
  refuse: (index: number, why: string) => never,
): TensorValues {
  switch (dtype) {
    case "F32":
      return new Float32Array(raw.buffer);
    case "F64":
      return new Float64Array(raw.buffer);
    case "I32":
      return new Int32Array(raw.buffer);
    case "U32":
      return new Uint32Array(raw.buffer);
    case "U8":
      return raw;
    case "F16":
      return Float32Array.from(new Uint16Array(raw.buffer), floatFromHalf);
    case "BF16": {
      // BF16 is the upper half of a float32.
      const words = Uint32Array.from(new Uint16Array(raw.buffer), (bits) => bits << 16);
      return new Float32Array(words.buffer);
    }
    case "I16":
      return Int32Array.from(new Int16Array(raw.buffer));
    case "U16":
      return Int32Array.from(new Uint16Array(raw.buffer));
    case "I8":
      return Int32Array.from(new Int8Array(raw.buffer));
    case "BOOL": {
      const at = raw.findIndex((byte) => byte > 1);
      return at < 0 ? raw : refuse(at, `a boolean is 0 or 1, got ${raw[at]}`);
    }
    case "I64":
      return checked(new BigInt64Array(raw.buffer), Int32Array, refuse);
    case "U64":
      return checked(new BigUint64Array(raw.buffer), Uint32Array, refuse);
  }
}

function checked<Values extends Int32Array | Uint32Array>(
  values: BigInt64Array | BigUint64Array,
  make: new (length: number) => Values,
  refuse: (index: number, why: string) => never,
): Values {
  const numbers = new make(values.length);
  for (let i = 0; i < numbers.length; i++) {
    const value = Number(values[i]);
    numbers[i] = value;
    if (numbers[i] !== value) refuse(i, `${values[i]} does not fit in 32 bits`);
  }
  return numbers;
}
