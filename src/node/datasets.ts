/**
 * Data sets in Node: `await datasets.mnist()` reads the data folder and downloads missing files; `datasets.csv` and others read
 * the user's files. Published files are checked against their sha256 before they are used or stored, and stored atomically.
 */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { gunzipIfPacked } from "../data/archives/gzip.ts";
import { CSV, type CsvOptions, parseCsv } from "../data/csv/parse-csv.ts";
import type { Dataset } from "../data/dataset.ts";
import {
  ARRAYS,
  type ArraysOptions,
  datasetFromArrays,
  datasetFromNpz,
  NPZ,
  type NpzOptions,
  parseNpz,
} from "../data/formats/arrays.ts";
import { parseNpy } from "../data/formats/npy.ts";
import type { DatasetSource, SourceFile, TrainTest } from "../data/published/dataset-source.ts";
import { expectHash, expectSize, verifyFile } from "../data/published/dataset-source.ts";
import { datasetSources } from "../data/published/index.ts";
import { DataError, ValueError } from "../validation/errors.ts";
import { checkOptions, type OptionKinds, shown } from "../validation/options.ts";
import { downloadFile, MirrorsError } from "./download/download-file.ts";
import { writeFileAtomic } from "./files/atomic-write.ts";
import { dataDirectory } from "./files/cache-folder.ts";
import { gunzippedFile } from "./files/gunzip-file.ts";
import { fileBytes, piecesOf, readError, readPlainFile } from "./files/plain-file.ts";
import type { ImageFolderOptions, ImageParts } from "./images/image-folder.ts";

export interface DownloadProgress {
  /** Name of the data set. */
  readonly dataset: string;
  readonly file: string;
  readonly received: number;
  readonly total: number;
}

export interface LoadOptions {
  /** Default: the environment variable WEFT_DATA, else the cache folder. */
  readonly dataDir?: string | undefined;
  /** Whether missing files may be downloaded; default true. */
  readonly download?: boolean | undefined;
  /** Called while files are being downloaded; never if all are present. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Addresses to try in order instead of the source's; the file name is appended. */
  readonly mirrors?: readonly string[] | undefined;
  /** Milliseconds for connecting to a mirror; default 4000. */
  readonly connectTimeout?: number | undefined;
}

const LOAD = {
  dataDir: "string",
  download: "boolean",
  onProgress: "function",
  signal: "object",
  mirrors: "array",
  connectTimeout: "number",
} as const satisfies OptionKinds<LoadOptions>;

/**
 * Loads a data set from the data folder, downloading missing files. Throws DataError on damaged files, and where no mirror can
 * be reached, with the mirrors that were tried.
 */
export async function loadDataset<Splits>(
  source: DatasetSource<Splits>,
  options: LoadOptions = {},
): Promise<Splits> {
  checkOptions(`datasets: ${source?.name}`, options, LOAD);
  const bad = options.mirrors?.find((mirror) => !URL.canParse(mirror));
  if (bad !== undefined) {
    throw new ValueError(
      `datasets: ${source.name}: mirrors must be addresses such as "https://example.com/mnist/", got ${shown(bad)}`,
    );
  }
  const folder = join(dataDirectory(options.dataDir), source.name);
  const published = (name: string) => source.files.find((candidate) => candidate.name === name);
  const download = (name: string) => downloadInto(folder, name, source, options);
  const readCached = async (name: string) => {
    options.signal?.throwIfAborted();
    return readIfPresent(join(folder, name));
  };
  const read = async (name: string) => {
    const file = published(name);
    const cached = file && (await readCached(name));
    if (!cached) return download(name);
    await verifyFile(file, cached, join(folder, name)).catch(advise);
    return cached;
  };
  const open = async (name: string) => {
    const path = join(folder, name);
    const file = published(name);
    options.signal?.throwIfAborted();
    if (file && (await isPresent(path))) await verifyOnDisk(file, path).catch(advise);
    else await download(name);
    return gunzippedFile(path);
  };
  return source.open === undefined ? source.read(read, readCached) : source.open(open);
}

/** Rethrows the error of a verification with advice. */
function advise(cause: unknown): never {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const advice = "the file is damaged or not the published one, delete it to have it downloaded again";
  throw new DataError(`${reason}; ${advice}`, { cause });
}

function isPresent(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return false;
      throw readError(path, cause);
    },
  );
}

/** Like `verifyFile`, without holding the whole file in memory. */
async function verifyOnDisk(file: SourceFile, path: string): Promise<void> {
  const source = await fileBytes(path);
  expectSize(file, source.size, path);
  const hash = createHash("sha256");
  for await (const piece of piecesOf(source)) hash.update(piece);
  expectHash(file, hash.digest("hex"), path);
}

async function readUserFile(path: string): Promise<Uint8Array> {
  if (typeof path !== "string") throw new ValueError(`datasets: the path must be a text, got ${shown(path)}`);
  if (/^https?:\/\//i.test(path))
    throw new ValueError(`${path}: is an address; download it, and give the path of the file`);
  const bytes = await readIfPresent(path);
  if (!bytes) throw new DataError(`${path}: there is no such file`);
  return bytes;
}

const readUnzipped = async (path: string) => gunzipIfPacked(await readUserFile(path), { name: path });

async function readIfPresent(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readPlainFile(path);
  } catch (error) {
    const { cause } = error as DataError;
    if ((cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT") return undefined;
    throw error;
  }
}

async function downloadInto<Splits>(
  folder: string,
  name: string,
  source: DatasetSource<Splits>,
  { download = true, mirrors = source.mirrors, signal, onProgress, connectTimeout }: LoadOptions,
): Promise<Uint8Array> {
  const path = join(folder, name);
  const file = source.files.find((candidate) => candidate.name === name);
  const wanted = source.wanted ?? source.files.map((each) => each.name).join(", ");
  const advice = `put ${wanted} (see ${source.homepage}) into ${folder}, or name another folder with \`dataDir\` or WEFT_DATA`;
  if (!download) throw new DataError(`${path} is missing and downloads are switched off: ${advice}`);
  if (!file || mirrors.length === 0)
    throw new DataError(`${path} is missing and can't be downloaded automatically: ${advice}`);
  try {
    const bytes = await downloadFile(file, mirrors, {
      signal,
      connectTimeout,
      partFile: `${path}.part`,
      onProgress: (received, total) => onProgress?.({ dataset: source.name, file: name, received, total }),
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
  /** Handwritten digits, 60,000 + 10,000, 28x28; 11 MB to download. Images are read from the files when needed; `inputs.data` reads all. */
  mnist: (options?: LoadOptions) => loadDataset(datasetSources.mnist, options),
  /** Clothing articles, 60,000 + 10,000, 28x28; 31 MB to download. Images are read when needed. */
  fashionMnist: (options?: LoadOptions) => loadDataset(datasetSources.fashionMnist, options),
  /** Colour photographs, 50,000 + 10,000, 3x32x32; 170 MB to download, unless the unpacked batches are present. */
  cifar10: (options?: LoadOptions) => loadDataset(datasetSources.cifar10, options),
  /** Handwritten ZIP-code digits, 7,291 + 2,007, 16x16 in [-1, 1]; must be put into the data folder by hand. */
  usps: (options?: LoadOptions) => loadDataset(datasetSources.usps, options),
  /** Handwritten digits, 1,797 (no split), 8x8 in 0 .. 16; 0.3 MB to download. */
  digits: (options?: LoadOptions) => loadDataset(datasetSources.digits, options),
  /** House prices, 506 (no split), 13 columns and a target; 0.1 MB to download. */
  boston: (options?: LoadOptions) => loadDataset(datasetSources.boston, options),
  /** Sample i is character i of the text; its label is the character after it. */
  tinyshakespeare: (options?: LoadOptions) => loadDataset(datasetSources.tinyshakespeare, options),
  /** Any CSV file, plain or gzipped: `await datasets.csv("flowers.csv", { label: "kind" })`. */
  csv: async (path: string, options: CsvOptions): Promise<Dataset> => {
    const given = checkOptions("datasets.csv", options, CSV);
    return parseCsv(await readUnzipped(path), { name: path, ...given });
  },
  /** Inputs and labels from two NumPy files. */
  npy: async (inputs: string, labels: string, options: ArraysOptions = {}): Promise<Dataset> => {
    const given = { name: inputs, ...checkOptions("datasets.npy", options, ARRAYS) };
    const [x, y] = [await readUnzipped(inputs), await readUnzipped(labels)];
    return datasetFromArrays(parseNpy(x, inputs), parseNpy(y, labels), given);
  },
  /** A NumPy archive: training and test set if it has `x_train` and so on, else one data set. */
  npz: async (path: string, options: NpzOptions = {}): Promise<Dataset | TrainTest> => {
    const given = { name: path, ...checkOptions("datasets.npz", options, NPZ) };
    return datasetFromNpz(await parseNpz(await readUserFile(path), { name: path }), given);
  },
  /** A folder with a folder of PNG and JPEG files per class, or with `train`, `test` and `validation` above those. */
  imageFolder: async (path: string, options?: ImageFolderOptions): Promise<Dataset | ImageParts> =>
    (await import("./images/image-folder.ts")).imageFolder(path, options),
};
