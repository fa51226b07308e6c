/**
 * Published data sets in a page or worker: `await datasets.mnist()` takes files that lie beside the page, else the
 * mirrors that a page may ask. Every file is checked against its published sha256 and kept in Cache Storage.
 */

import { DataError } from "../common/errors.ts";
import { checkOptions } from "../common/options.ts";
import type { DatasetSource } from "../data/published/dataset-source.ts";
import { fashionMnistSource, mnistSource } from "../data/published/mnist.ts";
import { fetchFile } from "./fetch-file.ts";

export interface DownloadProgress {
  /** Name of the data set. */
  readonly dataset: string;
  readonly file: string;
  /** Bytes of the whole data set that are here. */
  readonly received: number;
  readonly total: number;
}

export interface LoadOptions {
  /** Folder that holds one folder per data set, tried before the mirrors; null: there is none; default `data/` beside the page or the worker's script. */
  readonly baseUrl?: string | URL | null | undefined;
  /** Other addresses than the source's, tried in order; a file's name is appended. */
  readonly mirrors?: readonly string[] | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Name of the cache where files are kept, default `weft-data`; null keeps nothing. */
  readonly cacheName?: string | null | undefined;
}

/** Mirrors that a page served over https may ask: the browser itself refuses the others. */
export function pageMirrors(source: Pick<DatasetSource, "mirrors">): readonly string[] {
  return source.mirrors.filter((address) => address.startsWith("https:"));
}

/** Throws DataError when no address delivers a file as it was published. */
export async function loadDataset<Splits>(
  source: DatasetSource<Splits>,
  options: LoadOptions = {},
): Promise<Splits> {
  checkOptions(`datasets: ${source?.name}`, options, {
    baseUrl: "any",
    mirrors: "array",
    onProgress: "function",
    signal: "object",
    cacheName: "any",
  });
  const { baseUrl = new URL("data/", location.href), mirrors = pageMirrors(source) } = options;
  const { onProgress, signal, cacheName = "weft-data" } = options;
  const total = source.files.reduce((sum, file) => sum + file.bytes, 0);
  let before = 0;
  return source.read(async (name) => {
    const file = source.files.find((candidate) => candidate.name === name);
    if (file === undefined) throw new DataError(`${source.name}: the source lists no file ${name}`);
    const beside = baseUrl === null ? [] : [new URL(`${source.name}/`, baseUrl).href];
    const folders = [...beside, ...mirrors];
    const { bytes } = await fetchFile(
      file,
      folders.map((folder) => folder + name),
      {
        signal,
        cacheName: cacheName ?? undefined,
        onProgress: (received) =>
          onProgress?.({ dataset: source.name, file: name, received: before + received, total }),
      },
    );
    before += file.bytes;
    return bytes;
  });
}

export const datasets = {
  /** Handwritten digits, 60,000 + 10,000, 28x28; 11 MB to download. */
  mnist: (options?: LoadOptions) => loadDataset(mnistSource, options),
  /** Clothing articles, 60,000 + 10,000, 28x28; 31 MB, and only from beside the page: its mirror has no https. */
  fashionMnist: (options?: LoadOptions) => loadDataset(fashionMnistSource, options),
};
