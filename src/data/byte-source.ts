/** Bytes that can be read from any place: a file on disk (`weft/node`'s fileBytes), a File or Blob of a page, memory. */
import { FormatError, ValueError } from "../common/errors.ts";
import { isGzip } from "./archives/gzip.ts";

export interface ByteSource {
  /** For errors. */
  readonly name: string;
  /** How many bytes there are. */
  readonly size: number;
  /** Bytes `offset` … `offset + length - 1`, in memory of their own. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Bytes that can also be had all at once, at the price of their memory. */
export interface LoadableBytes extends ByteSource {
  /** As `read`, in the memory of `into` if that is as long. */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
  load(): Uint8Array;
}

/** A Blob, or a File that a user chose, whose slices are read when they are needed. */
export function blobBytes(blob: Blob, name = "name" in blob ? String(blob.name) : "blob"): ByteSource {
  return {
    name,
    size: blob.size,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

/** Reads all that was asked for. Rejects with a FormatError where the source gives less. */
export async function readBytes(source: ByteSource, offset: number, length: number): Promise<Uint8Array> {
  if (!(Number.isSafeInteger(offset) && offset >= 0 && Number.isSafeInteger(length) && length >= 0)) {
    throw new ValueError(`${source.name}: can't read ${length} bytes from byte ${offset} on`);
  }
  const bytes = await source.read(offset, length);
  if (bytes.length !== length) {
    throw new FormatError(
      `${source.name}: truncated, expected ${length} bytes from byte ${offset} on, got ${bytes.length}`,
    );
  }
  return bytes;
}

/** The first bytes, at most `length`. Rejects with a FormatError on gzip, which has no places to read from. */
export async function readHead(source: ByteSource, length: number): Promise<Uint8Array> {
  const head = await readBytes(source, 0, Math.min(length, source.size));
  if (isGzip(head)) {
    throw new FormatError(`${source.name}: is gzipped, which can't be read in parts; unpack it first`);
  }
  return head;
}
