/**
 * Where a published data set comes from: its files with sizes and hashes, its mirrors, and how its files become data
 * sets. Fetching and caching are the host's business, so a source only asks for files by name.
 * `verifyFile` refuses bytes that are not the published ones.
 */
import { DataError } from "../../common/errors.ts";
import type { LoadableBytes } from "../byte-source.ts";
import type { Dataset } from "../dataset.ts";

export interface SourceFile {
  /** The published name, also the name in the data directory. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Gives the verified bytes of one of the source's files, downloading it if it may and can. */
export type FetchFile = (name: string) => Promise<Uint8Array>;

/**
 * Gives the bytes of a file that already lies in the data directory, whatever it holds, or undefined. For files that
 * come in several forms: the reader checks what is in them. Hosts without a data directory leave it out.
 */
export type FindFile = (name: string) => Promise<Uint8Array | undefined>;

/** Opens the content of one of the source's gzipped files, which has been verified, and downloaded if it had to be. */
export type OpenFile = (name: string) => Promise<LoadableBytes>;

export interface TrainTest {
  readonly train: Dataset;
  readonly test: Dataset;
  /** Where there is one beside the test set. */
  readonly validation?: Dataset;
  /** What a user should know about these parts, for example that only some of the files are there. */
  readonly note?: string;
}

/** `Parts` is what comes out: training and test set, or one data set that nobody has divided. */
export interface DatasetSource<Parts = TrainTest> {
  /** Also the name of the sub-folder of the data directory. */
  readonly name: string;
  readonly title: string;
  /** Those that can be fetched. */
  readonly files: readonly SourceFile[];
  /** Addresses that a file's name is appended to, tried in order; none when the set can't be downloaded file by file. */
  readonly mirrors: readonly string[];
  /** Where people find the set and its terms. */
  readonly homepage: string;
  /** What to put into the data directory by hand; default: the names of `files`. */
  readonly wanted?: string;
  read(fetchFile: FetchFile, findFile?: FindFile): Promise<Parts>;
  /** The same for hosts with a data directory: what is large stays in its file until it is needed. */
  open?(openFile: OpenFile): Promise<Parts>;
}

/** The first of these files that lies in the data directory, and its name; the first one fetched if there is none. */
export async function findAnyOf(
  names: readonly [string, ...string[]],
  fetchFile: FetchFile,
  findFile?: FindFile,
): Promise<[name: string, bytes: Uint8Array]> {
  for (const name of findFile ? names : []) {
    const bytes = await findFile?.(name);
    if (bytes) return [name, bytes];
  }
  return [names[0], await fetchFile(names[0])];
}

export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) throw new DataError("sha256: the page must come from https or localhost to check downloads");
  const digest = await subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Throws a DataError unless the bytes are the published ones. `where` says where they came from. */
export async function verifyFile(file: Published, bytes: Uint8Array, where: string): Promise<void> {
  expectSize(file, bytes.length, where);
  expectHash(file, await sha256Hex(bytes), where);
}

type Published = Pick<SourceFile, "bytes" | "sha256">;

export function expectSize({ bytes }: Pick<Published, "bytes">, got: number, where: string): void {
  if (got !== bytes) throw new DataError(`${where}: expected ${bytes} bytes, got ${got}`);
}

export function expectHash({ sha256 }: Pick<Published, "sha256">, got: string, where: string): void {
  if (got !== sha256) throw new DataError(`${where}: expected sha256 ${sha256}, got ${got}`);
}
