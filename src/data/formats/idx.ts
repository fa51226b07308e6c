/**
 * The IDX format of MNIST and its kin: two zero bytes, a type, a rank, the extents as big-endian 32-bit numbers, then
 * the values. Reads unsigned bytes, which is what the published files hold.
 * Refuses other types, another rank than the caller expects, extents of zero, and files shorter or longer than said.
 */
import { FormatError } from "../../common/errors.ts";

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

/** Reads an IDX file of unsigned bytes; `rank` is 3 for images, 1 for labels. `name` is named in errors. */
export function parseIdx(bytes: Uint8Array, rank: number, name = "IDX data"): IdxArray {
  const shape = parseIdxHeader(bytes, bytes.length, rank, name);
  return { shape, data: bytes.subarray(idxHeaderBytes(rank)) };
}

/** Where the values of an IDX file begin. */
export function idxHeaderBytes(rank: number): number {
  return 4 + 4 * rank;
}

/** The shape that the header at the begin of `bytes` speaks of; a file of `size` bytes must hold just that. */
export function parseIdxHeader(
  bytes: Uint8Array,
  size: number,
  rank: number,
  name: string,
): readonly number[] {
  const fail = (what: string): never => {
    throw new FormatError(`${name}: ${what}`);
  };
  const headerBytes = idxHeaderBytes(rank);
  if (bytes.length < headerBytes) {
    fail(`truncated IDX header, expected ${headerBytes} bytes for rank ${rank}, got ${bytes.length}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const magic = view.getUint32(0);
  const expected = (UNSIGNED_BYTE << 8) | rank;
  if (magic !== expected) {
    const type = (magic >>> 8) & 0xff;
    let hint = "";
    if (magic >>> 16 !== 0) hint = "; not an IDX file";
    else if (type !== UNSIGNED_BYTE)
      hint = `; type ${OTHER_TYPES[type] ?? type}, only unsigned bytes are read`;
    else hint = `; rank ${magic & 0xff}, expected ${rank}`;
    fail(`bad magic number at byte 0, expected ${expected}, got ${magic}${hint}`);
  }
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const axis = shape.indexOf(0);
  if (axis >= 0) fail(`extent ${axis} at byte ${4 + 4 * axis} is 0, the file holds nothing`);
  const wanted = shape.reduce((product, extent) => product * extent, 1);
  const got = size - headerBytes;
  if (got !== wanted) {
    const what = got < wanted ? "truncated" : "bytes behind the end";
    fail(`${what}: [${shape.join(", ")}] takes ${wanted} bytes from byte ${headerBytes} on, got ${got}`);
  }
  return shape;
}
