/**
 * Published data sets in Node: `await datasets.mnist()` reads the data directory, and downloads what is missing.
 * Every file is checked against its published sha256 before it is used or stored, and stored whole or not at all.
 * Refuses damaged files, and says which mirrors were tried and what to do when none can be reached.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DatasetSource, SourceFile } from "../data/source.ts";
import { verifyFile } from "../data/source.ts";
import { datasetSources } from "../data/sources.ts";
import { DataError } from "../errors.ts";
import { dataDirectory } from "./data-dir.ts";
import { downloadFile, MirrorsError } from "./download.ts";
import { writeFileAtomic } from "./files.ts";

export interface DownloadProgress {
  /** Name of the data set. */
  readonly dataset: string;
  readonly file: string;
  readonly received: number;
  readonly total: number;
}

export interface LoadOptions {
  /** Default: the environment variable WEFT_DATA, else the per-user cache folder. */
  readonly dataDir?: string | undefined;
  /** Whether missing files may be fetched; default true. */
  readonly download?: boolean | undefined;
  /** Called while files are being downloaded; not at all when all are there. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Other addresses than the source's, tried in order; a file's name is appended. */
  readonly mirrors?: readonly string[] | undefined;
  /** Milliseconds for reaching a mirror; default 4000. */
  readonly connectTimeout?: number | undefined;
}

/** Reads a source's files from the data directory, downloading what is missing, and makes the data sets of them. */
export async function loadDataset<Splits>(
  source: DatasetSource<Splits>,
  options: LoadOptions = {},
): Promise<Splits> {
  const folder = join(dataDirectory(options.dataDir), source.name);
  return source.read(async (name) => {
    options.signal?.throwIfAborted();
    const file = source.files.find((candidate) => candidate.name === name);
    if (!file) throw new DataError(`${source.name}: the source lists no file ${name}`);
    const path = join(folder, name);
    const cached = await readIfThere(path);
    if (!cached) return fetchInto(path, file, source, folder, options);
    await verifyFile(file, cached, path).catch((cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new DataError(
        `${reason}; the file is damaged or not the published one, delete it to have it fetched anew`,
        {
          cause,
        },
      );
    });
    return cached;
  });
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new DataError(`${path}: can't be read: ${(cause as Error).message}`, { cause });
  }
}

async function fetchInto<Splits>(
  path: string,
  file: SourceFile,
  source: DatasetSource<Splits>,
  folder: string,
  options: LoadOptions,
): Promise<Uint8Array> {
  const { download = true, mirrors = source.mirrors, signal, onProgress, connectTimeout } = options;
  const names = source.files.map(({ name }) => name).join(", ");
  const advice = `put ${names} (see ${source.homepage}) into ${folder}, or name another folder with \`dataDir\` or WEFT_DATA`;
  if (!download) throw new DataError(`${path} is missing and downloads are switched off: ${advice}`);
  if (mirrors.length === 0)
    throw new DataError(`${path} is missing and can't be fetched by itself: ${advice}`);
  try {
    const bytes = await downloadFile(file, mirrors, {
      signal,
      connectTimeout,
      onProgress: (received, total) =>
        onProgress?.({ dataset: source.name, file: file.name, received, total }),
    });
    await writeFileAtomic(path, bytes, { signal });
    return bytes;
  } catch (cause) {
    if (!(cause instanceof MirrorsError)) throw cause;
    const problem = cause.offline
      ? "no mirror can be reached; is this computer offline?"
      : "no mirror delivered it.";
    const tried = cause.failures.map((failure) => `\n  ${failure}`).join("");
    throw new DataError(
      `${source.title}: ${file.name} is not in ${folder}, and ${problem} Tried:${tried}\n` +
        `Connect and try again, or ${advice}.`,
      { cause },
    );
  }
}

export const datasets = {
  /** Handwritten digits, 60,000 + 10,000, 28x28; 11 MB to download. */
  mnist: (options?: LoadOptions) => loadDataset(datasetSources.mnist, options),
  /** Clothing articles, 60,000 + 10,000, 28x28; 31 MB to download. */
  fashionMnist: (options?: LoadOptions) => loadDataset(datasetSources.fashionMnist, options),
};
