/**
 * A checksum inside a safetensors file: CRC-32 of the whole file as eight hexadecimal digits under `crc32` in its
 * metadata, worked out with zeros in their place. Tells a file that was cut or damaged from a sound one.
 */

import { FormatError, GraphError } from "../../common/errors.ts";
import { crc32 } from "../../data/archives/zip.ts";

/** Metadata that `seal` needs in the file. */
export const UNSEALED = { crc32: "00000000" } as const;

const FIELD = '"crc32":"';

/** Puts the checksum of `bytes` into them; their metadata must hold `UNSEALED`, first of all. */
export function seal(bytes: Uint8Array): Uint8Array {
  const at = placeOf(bytes);
  if (at === undefined) throw new GraphError("seal: the file has no room for a checksum");
  const digits = crc32(bytes).toString(16).padStart(UNSEALED.crc32.length, "0");
  bytes.set(new TextEncoder().encode(digits), at);
  return bytes;
}

/** Throws FormatError naming `file` unless its checksum is there and right. */
export function checkSeal(bytes: Uint8Array, file: string): void {
  const at = placeOf(bytes);
  if (at === undefined) throw new FormatError(`${file}: damaged or no checkpoint: it has no checksum`);
  const size = UNSEALED.crc32.length;
  const digits = new TextDecoder("latin1").decode(bytes.subarray(at, at + size));
  const blank = Uint8Array.from(bytes);
  blank.set(new TextEncoder().encode(UNSEALED.crc32), at);
  const got = crc32(blank).toString(16).padStart(size, "0");
  if (got !== digits) throw new FormatError(`${file}: damaged: its checksum is ${got}, it says ${digits}`);
}

function placeOf(bytes: Uint8Array): number | undefined {
  if (bytes.length < 8) return undefined;
  const header = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const text = new TextDecoder("latin1").decode(bytes.subarray(8, 8 + Math.min(header, bytes.length)));
  const found = text.indexOf(FIELD);
  const at = 8 + found + FIELD.length;
  return found < 0 || at + UNSEALED.crc32.length > bytes.length ? undefined : at;
}
