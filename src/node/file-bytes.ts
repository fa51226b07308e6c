/** A file of which parts are read when they are needed. It is not kept open, so there is nothing to close. */
import { open, stat } from "node:fs/promises";
import { type ByteSource, readBytes } from "../data/byte-source.ts";
import { DataError } from "../errors.ts";

const PIECE = 2 ** 18;

/** The bytes of the file at `path`. Rejects with a DataError naming it where it can't be read, then or later. */
export async function fileBytes(path: string): Promise<ByteSource> {
  const info = await named(path, () => stat(path));
  if (!info.isFile()) throw new DataError(`${path}: is no file`);
  return {
    name: path,
    size: info.size,
    read: (offset, length) => named(path, () => readPart(path, offset, length)),
  };
}

async function readPart(path: string, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const file = await open(path);
  try {
    let done = 0;
    while (done < length) {
      const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes.subarray(0, done);
  } finally {
    await file.close();
  }
}

async function named<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw readError(path, cause);
  }
}

export function readError(path: string, cause: unknown): DataError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new DataError(`${path}: can't be read: ${reason}`, { cause });
}

/** All bytes, some at a time. */
export async function* piecesOf(source: ByteSource): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < source.size; at += PIECE) {
    yield await readBytes(source, at, Math.min(PIECE, source.size - at));
  }
}
