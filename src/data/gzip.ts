/**
 * Decompresses a gzip file.
 * Refuses bytes that are not gzip, truncated or damaged files, more than one member or bytes behind the end, and
 * contents larger than the caller allows, which stops a small file from filling the memory.
 */
import { FormatError } from "../errors.ts";
import { DEFAULT_LIMIT, inflate } from "./inflate.ts";

/** A gzip member has a header of at least 10 bytes and a trailer of 8 (checksum, size). */
const SMALLEST = 18;

export interface GunzipOptions {
  /** Named in errors. */
  readonly name?: string;
  /** Largest content in bytes. */
  readonly limit?: number;
}

/** Whether the bytes begin as a gzip file with the one compression method there is. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8;
}

/** What is inside if the bytes are gzip, the bytes themselves if not; both within the limit. */
export async function gunzipIfPacked(bytes: Uint8Array, options: GunzipOptions = {}): Promise<Uint8Array> {
  const { name = "data", limit = DEFAULT_LIMIT } = options;
  if (isGzip(bytes)) return gunzip(bytes, options);
  if (bytes.length > limit)
    throw new FormatError(`${name}: ${bytes.length} bytes, the limit is ${limit} bytes`);
  return bytes;
}

export async function gunzip(bytes: Uint8Array, options: GunzipOptions = {}): Promise<Uint8Array> {
  const { name = "gzip data", limit = DEFAULT_LIMIT } = options;
  if (!isGzip(bytes)) {
    const start = [...bytes.subarray(0, 3)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    throw new FormatError(
      `${name}: not a gzip file, expected the bytes 1f 8b 08 at 0, got ${start || "none"}`,
    );
  }
  if (bytes.length < SMALLEST) {
    throw new FormatError(
      `${name}: truncated gzip file, ${bytes.length} bytes, at least ${SMALLEST} expected`,
    );
  }
  const trailer = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 4, 4).getUint32(0, true);
  const content = await inflate(
    bytes,
    "gzip",
    { limit, expected: trailer },
    {
      damaged: `${name}: damaged or truncated gzip file (${bytes.length} bytes)`,
      tooLarge: `${name}: the content of the gzip file`,
    },
  );
  // Hosts differ in what they do with bytes behind the first member; the size in the trailer settles it.
  if (trailer !== content.length % 2 ** 32) {
    throw new FormatError(
      `${name}: the gzip file ends with the size ${trailer} at byte ${bytes.length - 4}, but its content has ` +
        `${content.length} bytes; something follows its end, or it holds several files`,
    );
  }
  return content;
}
