/**
 * Describes where a published data set comes from: its files with sizes and hashes, its mirrors, and a function that
 * turns the files into data sets. The host (Node or a page) fetches and caches files; a source only asks for them by name.
 */
import { DataError } from "../../validation/errors.ts";
import { gunzipIfPacked } from "../archives/gzip.ts";
import type { LoadableBytes } from "../byte-source.ts";
import type { Dataset } from "../dataset.ts";

/** Size and hash of bytes as they were published. */
export interface Published {
  readonly bytes: number;
  readonly sha256: string;
}

export interface SourceFile extends Published {
  /** The published name, also the name in the data directory. */
  readonly name: string;
}

/** Returns the verified bytes of one of the source's files, downloading it if that is allowed and possible. */
export type FetchFile = (name: string) => Promise<Uint8Array>;

/**
 * Returns the unverified bytes of a file in the data directory, or undefined. For files that come in several forms: the
 * source checks their content. Hosts without a data directory leave it out.
 */
export type FindFile = (name: string) => Promise<Uint8Array | undefined>;

/** Opens the content of one of the source's gzipped files, verified, and downloaded if necessary. */
export type OpenFile = (name: string) => Promise<LoadableBytes>;

export interface TrainTest {
  readonly train: Dataset;
  readonly test: Dataset;
  readonly validation?: Dataset;
  /** What a user should know about these parts, for example that only some of the files were found. */
  readonly note?: string;
}

/** `Parts`: training and test set, or one data set that was published undivided. */
export interface DatasetSource<Parts = TrainTest> {
  /** Also the name of the folder in the data directory. */
  readonly name: string;
  readonly title: string;
  readonly files: readonly SourceFile[];
  /** Base addresses, tried in order; empty when the set can't be downloaded file by file. */
  readonly mirrors: readonly string[];
  /** Where people find the set and its terms. */
  readonly homepage: string;
  /** What to put into the data directory by hand; default: the names of `files`. */
  readonly wanted?: string;
  read(fetchFile: FetchFile, findFile?: FindFile): Promise<Parts>;
  /** Used instead of `read` by hosts with a data directory: large contents stay in their files until they are needed. */
  open?(openFile: OpenFile): Promise<Parts>;
}

/**
 * Reads and decompresses the first of these files that is in the data directory; if there is none, fetches the first one.
 * Returns the content and its name for errors. Rejects with a FormatError on contents above `limit` bytes.
 */
export async function readAnyOf(
  folder: string,
  names: readonly [string, ...string[]],
  limit: number,
  fetchFile: FetchFile,
  findFile?: FindFile,
): Promise<readonly [name: string, content: Uint8Array]> {
  for (const file of findFile ? names : []) {
    const bytes = await findFile?.(file);
    if (bytes) return unpack(file, bytes);
  }
  return unpack(names[0], await fetchFile(names[0]));

  async function unpack(file: string, bytes: Uint8Array) {
    const name = `${folder}/${file}`;
    return [name, await gunzipIfPacked(bytes, { name, limit })] as const;
  }
}

export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) throw new DataError("sha256: open the page over https or from localhost to verify downloads");
  const digest = await subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Rejects with a DataError unless the bytes are the published ones. `where` names their origin in errors. */
export async function verifyFile(file: Published, bytes: Uint8Array, where: string): Promise<void> {
  expectSize(file, bytes.length, where);
  expectHash(file, await sha256Hex(bytes), where);
}

export function expectSize({ bytes }: Pick<Published, "bytes">, got: number, where: string): void {
  if (got !== bytes) throw new DataError(`${where}: expected ${bytes} bytes, got ${got}`);
}

export function expectHash({ sha256 }: Pick<Published, "sha256">, got: string, where: string): void {
  if (got !== sha256) throw new DataError(`${where}: expected sha256 ${sha256}, got ${got}`);
}
