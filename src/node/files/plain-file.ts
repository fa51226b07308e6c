/** Reads regular files, whole or in parts; refuses pipes, devices and folders, naming the path. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type ByteSource, readBytes } from "../../data/byte-source.ts";
import { DataError } from "../../validation/errors.ts";

const PIECE = 2 ** 18;
/** Most bytes that a typed array holds in every version of Node. */
const MOST_BYTES = 2 ** 32 - 1;

/** The methods of Node's Stats that are used; written out because the declarations must not depend on Node's types. */
type Kind = Readonly<
  Record<
    "isFile" | "isDirectory" | "isFIFO" | "isSocket" | "isCharacterDevice" | "isBlockDevice",
    () => boolean
  >
>;

/** "a folder", "a pipe", ... */
export function nameOfKind(info: Kind): string {
  if (info.isFile()) return "a file";
  if (info.isDirectory()) return "a folder";
  if (info.isFIFO()) return "a pipe";
  if (info.isSocket()) return "a socket";
  return info.isCharacterDevice() || info.isBlockDevice() ? "a device" : "something else";
}

/** Runs `work` on the regular file at `path`. Rejects with a DataError naming the path. */
async function withFile<T>(
  path: string,
  work: (file: FileHandle, size: number) => T | Promise<T>,
): Promise<T> {
  let file: FileHandle | undefined;
  try {
    // Non-blocking: opening a pipe would wait for its writer.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const info = await file.stat();
    if (!info.isFile()) throw new Error(`it is ${nameOfKind(info)}, not a file`);
    return await work(file, info.size);
  } catch (cause) {
    throw readError(path, cause);
  } finally {
    await file?.close();
  }
}

export function readError(path: string, cause: unknown): DataError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new DataError(`${path}: can't be read: ${reason}`, { cause });
}

/**
 * The bytes of the file at `path`, read in parts when they are needed. The file is not kept open, so there is nothing to
 * close. Rejects with a DataError naming it where it can't be read, now or later.
 */
export async function fileBytes(path: string): Promise<ByteSource> {
  const size = await withFile(path, (_, bytes) => bytes);
  const read = (offset: number, length: number) => withFile(path, (file) => readFrom(file, offset, length));
  return { name: path, size, read };
}

/** A whole file, in memory of its own. Rejects with a DataError on what is not a file, and on more than `most` bytes. */
export function readPlainFile(path: string, most = MOST_BYTES): Promise<Uint8Array<ArrayBuffer>> {
  return withFile(path, (file, size) => {
    if (size > most) throw new Error(`it has ${size} bytes, the limit is ${most}`);
    return readFrom(file, 0, size);
  });
}

/** Fewer bytes than `length` where the file ends. */
async function readFrom(file: FileHandle, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, Math.min(length - done, 2 ** 30), offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done === length ? bytes : bytes.slice(0, done);
}

export async function* piecesOf(source: ByteSource): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < source.size; at += PIECE)
    yield await readBytes(source, at, Math.min(PIECE, source.size - at));
}
