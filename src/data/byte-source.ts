/** Random-access byte sources: a file on disk (`fileBytes` of weft/node), a File or Blob of a page, or memory. */
import { expectFormat, expectValue } from "../validation/expect.ts";
import { isGzip } from "./archives/gzip.ts";

export interface ByteSource {
  /** For errors. */
  readonly name: string;
  /** Number of bytes. */
  readonly size: number;
  /** Returns bytes `offset` … `offset + length - 1`, in memory of their own. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A source whose bytes can also be loaded all at once. */
export interface LoadableBytes extends ByteSource {
  /** As in ByteSource, but in the memory of `into` if that has `length` bytes. */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
  load(): Uint8Array;
}

/** A Blob, or a File that a user chose. Slices are read when they are needed. */
export function blobBytes(blob: Blob, name = "name" in blob ? String(blob.name) : "blob"): ByteSource {
  return {
    name,
    size: blob.size,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

/** Bytes in memory. `load` returns them without copying. */
export function memoryBytes(name: string, bytes: Uint8Array): LoadableBytes {
  return {
    name,
    size: bytes.length,
    read: async (offset, length) => bytes.slice(offset, offset + length),
    load: () => bytes,
  };
}

/** Reads exactly `length` bytes. Rejects with a FormatError where the source gives fewer. */
export async function readBytes(source: ByteSource, offset: number, length: number): Promise<Uint8Array> {
  const { name } = source;
  expectValue(
    [offset, length].every((value) => Number.isSafeInteger(value) && value >= 0),
    `${name}: can't read ${length} bytes from byte ${offset} on`,
  );
  const bytes = await source.read(offset, length);
  expectFormat(
    bytes.length === length,
    `${name}: truncated, expected ${length} bytes from byte ${offset} on, got ${bytes.length}`,
  );
  return bytes;
}

/** Reads at most the first `length` bytes. Rejects with a FormatError on gzip, which has no random access. */
export async function readHead(source: ByteSource, length: number): Promise<Uint8Array> {
  const head = await readBytes(source, 0, Math.min(length, source.size));
  expectFormat(!isGzip(head), `${source.name}: is gzipped, which can't be read in parts; unpack it first`);
  return head;
}
