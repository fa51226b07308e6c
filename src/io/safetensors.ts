/**
 * The safetensors format: 8 bytes with the length of a header, the header as JSON (type, shape and byte range of each
 * tensor, and a map of texts under `__metadata__`), then the values, little-endian, without gaps. Files are untrusted:
 * wrong lengths and ranges, gaps, overlaps, repeated names and unknown types are refused.
 * Specification: https://huggingface.co/docs/safetensors .
 */
import { FormatError } from "../validation/errors.ts";
import { expectValue } from "../validation/expect.ts";
import { checkOptions } from "../validation/options.ts";
import { quote } from "../validation/printable.ts";
import { parseHeader } from "./safetensors-header.ts";
import { type Dtype, decodeValues, itemSize, type TensorValues } from "./safetensors-values.ts";

export type { Dtype, TensorValues } from "./safetensors-values.ts";

export interface StoredTensor {
  /** The type in the file; F16, BF16: float32; I8, I16, U16, I64: int32; U64: uint32; BOOL: bytes of 0 and 1. */
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** A copy, independent of the file's bytes. */
  readonly data: TensorValues;
}

export interface SafetensorsFile {
  /** In the order of the header. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ReadOptions {
  /** Named in errors. */
  readonly name?: string;
  /** Longest header in bytes; default 100,000,000 as in the original library. */
  readonly headerLimit?: number;
}

/** Throws FormatError, naming the place, on a file that violates the format and on numbers that don't fit into 32 bits. */
export function readSafetensors(bytes: Uint8Array, options: ReadOptions = {}): SafetensorsFile {
  const kinds = { name: "string", headerLimit: "number" } as const;
  const { name = "safetensors", headerLimit = 100_000_000 } = checkOptions("readSafetensors", options, kinds);
  const { entries, metadata, dataStart } = parseHeader(bytes, name, headerLimit);
  const tensors = new Map<string, StoredTensor>();
  for (const { key, dtype, shape, begin, end } of entries) {
    // Node's Buffer is a Uint8Array whose own slice() does not copy.
    const raw = Uint8Array.from(bytes.subarray(dataStart + begin, dataStart + end));
    const data = decodeValues(dtype, raw.buffer, (index, why) => {
      const at = dataStart + begin + index * itemSize(dtype);
      throw new FormatError(`${name}: tensor ${quote(key)}, value ${index} at byte ${at}: ${why}`);
    });
    tensors.set(key, { dtype, shape, data });
  }
  return { tensors, metadata };
}

export interface TensorToStore {
  readonly shape: readonly number[];
  /** The kind of array determines the type in the file: F32, F64, I32, U32 or U8. */
  readonly data: TensorValues;
}

function dtypeOf(data: TensorValues): Dtype {
  if (data instanceof Float32Array) return "F32";
  if (data instanceof Float64Array) return "F64";
  if (data instanceof Int32Array) return "I32";
  return data instanceof Uint32Array ? "U32" : "U8";
}

/**
 * Returns the bytes of a file, which depend on the input only. The header lists the tensors in the order given. The values
 * are ordered by decreasing size of their type, and the header is padded with spaces to a multiple of 8, so that all values
 * are aligned. Throws ValueError on equal names and on shapes that don't match the data.
 */
export function writeSafetensors(
  tensors: Iterable<readonly [name: string, tensor: TensorToStore]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const entries = [...tensors].map(([key, { shape, data }]) => {
    const size = shape.reduce((product, extent) => product * extent, 1);
    expectValue(
      shape.every((extent) => Number.isInteger(extent) && extent >= 0) && size === data.length,
      `safetensors: tensor "${key}" has ${data.length} values, its shape [${shape.join(", ")}] says ${size}`,
    );
    return { key, shape, data, dtype: dtypeOf(data), begin: 0 };
  });
  const names = new Set<string>(["__metadata__"]);
  for (const { key } of entries) {
    expectValue(!names.has(key), `safetensors: the name "${key}" is taken, names must differ`);
    names.add(key);
  }
  let dataBytes = 0;
  // The sort is stable: tensors of the same type keep their order.
  for (const entry of [...entries].sort((a, b) => itemSize(b.dtype) - itemSize(a.dtype))) {
    entry.begin = dataBytes;
    dataBytes += entry.data.byteLength;
  }

  // JSON.stringify of one object would move names like "0" to the front.
  const fields = entries.map(({ key, dtype, shape, data, begin }) => {
    const about = { dtype, shape, data_offsets: [begin, begin + data.byteLength] };
    return `${JSON.stringify(key)}:${JSON.stringify(about)}`;
  });
  if (Object.keys(metadata).length > 0) fields.unshift(`"__metadata__":${JSON.stringify(metadata)}`);
  const header = new TextEncoder().encode(`{${fields.join(",")}}`);
  const headerBytes = Math.ceil(header.length / 8) * 8;

  const bytes = new Uint8Array(8 + headerBytes + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.fill(0x20, 8, 8 + headerBytes);
  bytes.set(header, 8);
  for (const { data, begin } of entries) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 8 + headerBytes + begin);
  }
  return bytes;
}
