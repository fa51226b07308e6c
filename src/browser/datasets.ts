/**
 * Published data sets in a page or worker: `await datasets.mnist()` fetches files from beside the page, else from the mirrors
 * with https. Every file is checked against its published sha256 and stored in Cache Storage.
 */

import type { DatasetSource } from "../data/published/dataset-source.ts";
import { fashionMnistSource, mnistSource } from "../data/published/mnist.ts";
import { DataError } from "../validation/errors.ts";
import { checkOptions } from "../validation/options.ts";
import { fetchFile } from "./fetch-file.ts";

export interface DownloadProgress {
  /** Name of the data set. */
  readonly dataset: string;
  readonly file: string;
  /** Bytes of the whole data set received so far. */
  readonly received: number;
  readonly total: number;
}

export interface LoadOptions {
  /** Folder with a sub-folder per data set, tried before the mirrors; null: none; default `data/` beside the page or worker. */
  readonly baseUrl?: string | URL | null | undefined;
  /** Addresses to try in order instead of the source's; the file name is appended. */
  readonly mirrors?: readonly string[] | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Name of the cache in Cache Storage, default `weft-data`; null stores nothing. */
  readonly cacheName?: string | null | undefined;
}

/** The mirrors with https: from a page served over https, browsers refuse the others. */
export function pageMirrors(source: Pick<DatasetSource, "mirrors">): readonly string[] {
  return source.mirrors.filter((address) => address.startsWith("https:"));
}

/** Throws DataError when no address delivers the published bytes of a file. */
export async function loadDataset<Splits>(
  source: DatasetSource<Splits>,
  options: LoadOptions = {},
): Promise<Splits> {
  checkOptions(`datasets: ${source?.name}`, options, {
    baseUrl: "anyOrNull",
    mirrors: "array",
    onProgress: "function",
    signal: "object",
    cacheName: "anyOrNull",
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
  /** Clothing articles, 60,000 + 10,000, 28x28; 31 MB. Only from beside the page: its mirror has no https. */
  fashionMnist: (options?: LoadOptions) => loadDataset(fashionMnistSource, options),
};
