/**
 * Where a published data set comes from: its files with sizes and hashes, its mirrors, and how its files become data
 * sets. Fetching and caching are the host's business, so a source only asks for files by name.
 * `verifyFile` refuses bytes that are not the published ones.
 */
import { DataError } from "../errors.ts";
import type { Dataset } from "./dataset.ts";

export interface SourceFile {
  /** The published name, also the name in the data directory. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Gives the verified bytes of one of the source's files. */
export type FetchFile = (name: string) => Promise<Uint8Array>;

export interface TrainTest {
  readonly train: Dataset;
  readonly test: Dataset;
}

/** `Splits` is what the set is divided in: most have train and test, some only one part. */
export interface DatasetSource<Splits = TrainTest> {
  /** Also the name of the sub-folder of the data directory. */
  readonly name: string;
  readonly title: string;
  readonly files: readonly SourceFile[];
  /** Addresses that a file's name is appended to, tried in order; none when the set can't be downloaded file by file. */
  readonly mirrors: readonly string[];
  /** Where people find the set and its terms. */
  readonly homepage: string;
  read(fetchFile: FetchFile): Promise<Splits>;
}

export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) throw new DataError("sha256: the page must come from https or localhost to check downloads");
  const digest = await subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Throws a DataError unless the bytes are the published file's. `where` says where they came from. */
export async function verifyFile(file: SourceFile, bytes: Uint8Array, where: string): Promise<void> {
  if (bytes.length !== file.bytes) {
    throw new DataError(`${where}: expected ${file.bytes} bytes, got ${bytes.length}`);
  }
  const got = await sha256Hex(bytes);
  if (got !== file.sha256) throw new DataError(`${where}: expected sha256 ${file.sha256}, got ${got}`);
}
