/**
 * The values of a safetensors file as typed arrays. Half and brain floats become float32, which holds them exactly;
 * 64-bit integers become int32. Refuses 64-bit integers that don't fit. Assumes a little-endian host, as WebGPU does.
 */

/** Bytes per value of each type that is read. */
export const itemSizes = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, U32: 4, U8: 1 } as const;

export type Dtype = keyof typeof itemSizes;
export type TensorValues = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;

export function isDtype(name: unknown): name is Dtype {
  return typeof name === "string" && Object.hasOwn(itemSizes, name);
}

/** `raw` starts at offset 0 of its own buffer. `refuse` is called, and must throw, for a value that can't be given. */
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
      // The upper half of a float32.
      const words = Uint32Array.from(new Uint16Array(raw.buffer), (bits) => bits << 16);
      return new Float32Array(words.buffer);
    }
    case "I64": {
      const values = new BigInt64Array(raw.buffer);
      return Int32Array.from({ length: values.length }, (_, i) => {
        const value = Number(values[i]);
        return value === (value | 0) ? value : refuse(i, `${values[i]} does not fit in 32 bits`);
      });
    }
  }
}

/** IEEE 754 binary16: 1 sign bit, 5 of exponent, 10 of fraction. */
export function floatFromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
