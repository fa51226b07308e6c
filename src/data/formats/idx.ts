/**
 * The IDX format of MNIST: two zero bytes, a type, a rank, the extents as big-endian 32-bit numbers, then the values.
 * Only files of unsigned bytes are read, which all published ones are.
 */
import { expectFormat } from "../../validation/expect.ts";
import { sampleSize } from "../dataset.ts";

const UNSIGNED_BYTE = 0x08;
const OTHER_TYPES: Readonly<Record<number, string>> = {
  9: "signed byte",
  11: "16-bit integer",
  12: "32-bit integer",
  13: "float32",
  14: "float64",
};

export interface IdxArray {
  readonly shape: readonly number[];
  /** A view of the file's bytes. */
  readonly data: Uint8Array;
}

/** Parses an IDX file of unsigned bytes. `rank`: 3 for images, 1 for labels. `name` is named in errors. */
export function parseIdx(bytes: Uint8Array, rank: number, name = "IDX data"): IdxArray {
  const shape = parseIdxHeader(bytes, bytes.length, rank, name);
  return { shape, data: bytes.subarray(idxHeaderBytes(rank)) };
}

/** Where the values of an IDX file begin. */
export function idxHeaderBytes(rank: number): number {
  return 4 + 4 * rank;
}

/**
 * The shape in the header at the beginning of `bytes`. Throws FormatError on other types, another rank, extents of 0, and
 * unless a file of `size` bytes holds exactly this shape.
 */
export function parseIdxHeader(
  bytes: Uint8Array,
  size: number,
  rank: number,
  name: string,
): readonly number[] {
  const headerBytes = idxHeaderBytes(rank);
  expectFormat(
    bytes.length >= headerBytes,
    `${name}: truncated IDX header, expected ${headerBytes} bytes for rank ${rank}, got ${bytes.length}`,
  );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const magic = view.getUint32(0);
  const expected = (UNSIGNED_BYTE << 8) | rank;
  const type = (magic >>> 8) & 0xff;
  let hint = `rank ${magic & 0xff}, expected ${rank}`;
  if (type !== UNSIGNED_BYTE) hint = `type ${OTHER_TYPES[type] ?? type}, only unsigned bytes are read`;
  if (magic >>> 16 !== 0) hint = "not an IDX file";
  expectFormat(
    magic === expected,
    `${name}: bad magic number at byte 0, expected ${expected}, got ${magic}; ${hint}`,
  );
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const axis = shape.indexOf(0);
  expectFormat(axis < 0, `${name}: extent ${axis} at byte ${4 + 4 * axis} is 0, the file holds nothing`);
  const wanted = sampleSize(shape);
  const got = size - headerBytes;
  const what = got < wanted ? "truncated" : "bytes after the end";
  expectFormat(
    got === wanted,
    `${name}: ${what}: [${shape.join(", ")}] takes ${wanted} bytes from byte ${headerBytes} on, got ${got}`,
  );
  return shape;
}
