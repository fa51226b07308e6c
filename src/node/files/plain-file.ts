/** A file of which parts are read when they are needed. It is not kept open, so there is nothing to close. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { DataError } from "../../common/errors.ts";
import { type ByteSource, readBytes } from "../../data/byte-source.ts";

const PIECE = 2 ** 18;

/** What can be asked of a file's information; no type of Node's, since declarations must do without. */
interface Kind {
  isFile(): boolean;
  isDirectory(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
  isCharacterDevice(): boolean;
  isBlockDevice(): boolean;
}

/** "a folder", "a named pipe", ... */
export function nameOfKind(info: Kind): string {
  if (info.isFile()) return "a file";
  if (info.isDirectory()) return "a folder";
  if (info.isFIFO()) return "a pipe";
  if (info.isSocket()) return "a socket";
  return info.isCharacterDevice() || info.isBlockDevice() ? "a device" : "something else";
}

/**
 * Opens a file, and nothing else: pipes and devices may never end, or never begin. Without waiting, since opening a pipe
 * waits for its writer.
 */
async function openFile(path: string): Promise<{ file: FileHandle; size: number }> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const info = await file.stat();
    if (!info.isFile()) throw new Error(`it is no file but ${nameOfKind(info)}`);
    return { file, size: info.size };
  } catch (cause) {
    await file.close();
    throw cause;
  }
}

/** The bytes of the file at `path`. Rejects with a DataError naming it where it can't be read, then or later. */
export async function fileBytes(path: string): Promise<ByteSource> {
  const size = await named(path, async () => {
    const { file, size } = await openFile(path);
    await file.close();
    return size;
  });
  return { name: path, size, read: (offset, length) => named(path, () => readPart(path, offset, length)) };
}

/** Most bytes that a typed array holds in every version of Node. */
const MOST_BYTES = 2 ** 32 - 1;

/** A whole file, in memory of its own. Rejects with a DataError on what is no file, and on more than `most` bytes. */
export function readPlainFile(path: string, most = MOST_BYTES): Promise<Uint8Array<ArrayBuffer>> {
  return named(path, async () => {
    const { file, size } = await openFile(path);
    try {
      if (size > most) throw new Error(`it has ${size} bytes, the limit is ${most}`);
      return await readFrom(file, 0, size);
    } finally {
      await file.close();
    }
  });
}

async function readPart(path: string, offset: number, length: number): Promise<Uint8Array> {
  const { file } = await openFile(path);
  try {
    return await readFrom(file, offset, length);
  } finally {
    await file.close();
  }
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
