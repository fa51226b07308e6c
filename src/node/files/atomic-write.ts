/**
 * Writes files so that readers see the old content or the new one, never a part: into a temporary file beside the target,
 * which is flushed to disk and renamed. On failure or abort the temporary file is removed and the target is unchanged.
 */
import { randomBytes } from "node:crypto";
import { link, mkdir, open, readlink, realpath, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { WeftError } from "../../validation/errors.ts";
import { readPlainFile } from "./plain-file.ts";

export interface WriteFileOptions {
  /** Rejects with a FileExistsError where the file exists; of several writers exactly one succeeds. */
  readonly exclusive?: boolean;
  /** Permissions of the file; default 0o666 less the umask. */
  readonly mode?: number;
  /** Aborting before the rename leaves the target as it was and rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const MOST_TEXT_BYTES = 2 ** 28;

/** A whole file as text. Throws DataError as `readPlainFile` does, and on files of more than 256 MiB. */
export async function readTextFile(path: string): Promise<string> {
  return Buffer.from((await readPlainFile(path, MOST_TEXT_BYTES)).buffer).toString("utf8");
}

/** An exclusive write found a file of that name. */
export class FileExistsError extends WeftError {
  override readonly name = "FileExistsError";
}

/** Writes a whole file, creating its folder if necessary. */
export async function writeFileAtomic(
  path: string,
  content: Uint8Array | string,
  { signal, exclusive = false, mode = 0o666 }: WriteFileOptions = {},
): Promise<void> {
  signal?.throwIfAborted();
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`);
  try {
    await makeFolder(folder);
    await writeNew(temporary, content, mode, signal);
    signal?.throwIfAborted();
    if (exclusive) await linkExclusive(temporary, path, content, mode);
    else await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    if (signal?.aborted) throw signal.reason;
    if ((cause as NodeJS.ErrnoException).code === "EEXIST" && exclusive)
      throw new FileExistsError(`${path}: exists already`, { cause });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new WeftError(`can't write ${path}: ${reason}`, { cause });
  }
  await syncFolder(folder);
}

/** Writes and flushes a file that must not exist. */
async function writeNew(path: string, content: Uint8Array | string, mode: number, signal?: AbortSignal) {
  const file = await open(path, "wx", mode);
  try {
    await file.writeFile(content, { signal });
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A hard link is created only if the name is free, and the file is complete from its first moment. */
async function linkExclusive(
  temporary: string,
  path: string,
  content: Uint8Array | string,
  mode: number,
): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw error;
    // A file system without hard links, such as FAT: the file is complete only a moment after it appears.
    await writeNew(path, content, mode);
  }
  await rm(temporary, { force: true });
}

/** The real path of `path`, with links followed in the part of it that exists. */
export async function realTarget(path: string): Promise<string> {
  const whole = resolve(path);
  try {
    return await realpath(whole);
  } catch (error) {
    // A link whose target does not exist yet.
    const link = await readlink(whole).catch(() => undefined);
    if (link !== undefined) return realTarget(resolve(dirname(whole), link));
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || dirname(whole) === whole) return whole;
    return join(await realTarget(dirname(whole)), basename(whole));
  }
}

/**
 * Creates a folder and those above it. Node's own recursive mkdir never returns where a file system such as /proc answers
 * ENOENT to every attempt; so a second ENOENT is an error here.
 */
async function makeFolder(folder: string): Promise<void> {
  const make = (onMissing: () => Promise<void>) =>
    mkdir(folder).then(
      () => undefined,
      (error: NodeJS.ErrnoException) => {
        if (error.code === "EEXIST") return undefined;
        if (error.code === "ENOENT" && dirname(folder) !== folder) return onMissing();
        throw error;
      },
    );
  await make(async () => {
    await makeFolder(dirname(folder));
    await make(async () => {
      throw new WeftError(`the folder ${folder} can't be created`);
    });
  });
}

/** Makes the rename durable where the system can flush folders. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  try {
    const handle = await open(folder, "r");
    await handle.sync().finally(() => handle.close());
  } catch {
    // Some file systems refuse to flush folders.
  }
}
