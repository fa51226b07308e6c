/**
 * Loads the data of a run: a published set from beside the page, from a mirror or from Cache Storage; where that fails,
 * synthetic digits and the reason. Loaded sets stay in memory.
 */
import { type DownloadProgress, datasets } from "../src/browser/index.ts";
import { data } from "../src/index.ts";
import { DATA_SETS, type DataName, type Settings, validationImages } from "./settings.ts";

export interface RunData {
  readonly train: data.Dataset;
  readonly validation: data.Dataset;
  readonly title: string;
  readonly instead?: string;
}

type Whole = Pick<RunData, "train" | "validation">;

export class DataStore {
  readonly #whole = new Map<DataName, Whole>();
  /** Names of the data sets beside the page; undefined until they are needed. */
  #beside: Promise<readonly string[]> | undefined;

  /** `folder`: address of the data sets beside the page. */
  constructor(readonly folder: string) {}

  async load(settings: Settings, onProgress: (progress: DownloadProgress) => void): Promise<RunData> {
    const { data: name, images } = settings;
    if (name === "synthetic") return await synthetic(images);
    try {
      const { train, validation } = this.#whole.get(name) ?? (await this.#fetch(name, onProgress));
      this.#whole.set(name, { train, validation });
      return {
        train: data.subset(train, images),
        validation: data.subset(validation, validationImages(images)),
        title: DATA_SETS[name],
      };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { ...(await synthetic(images)), instead: `${DATA_SETS[name]} could not be loaded (${reason}).` };
    }
  }

  async #fetch(
    name: "mnist" | "fashion-mnist",
    onProgress: (progress: DownloadProgress) => void,
  ): Promise<Whole> {
    this.#beside ??= listData(this.folder);
    const baseUrl = (await this.#beside).includes(name) ? this.folder : null;
    const load = name === "mnist" ? datasets.mnist : datasets.fashionMnist;
    const { train, test } = await load({ baseUrl, onProgress });
    return { train, validation: test };
  }
}

/** The build and the dev server write this list, so that no missing file is requested. */
async function listData(folder: string): Promise<readonly string[]> {
  try {
    const response = await fetch(new URL("index.json", folder));
    const list: unknown = response.ok ? await response.json() : [];
    return Array.isArray(list) ? list.filter((name) => typeof name === "string") : [];
  } catch {
    return [];
  }
}

/** Its module is loaded on demand. */
async function synthetic(images: number): Promise<RunData> {
  const { syntheticDigits } = await import("./synthetic.ts");
  const { train, test } = syntheticDigits({ train: images, test: validationImages(images) });
  return { train, validation: test, title: DATA_SETS.synthetic };
}
