/** `weft data get NAME`: downloads what is missing of a data set, checks all of it, says where it lies. */
import { join } from "node:path";
import { DataError } from "../../common/errors.ts";
import type { Dataset } from "../../data/dataset.ts";
import type { TrainTest } from "../../data/published/dataset-source.ts";
import { dataDirectory } from "../data-dir.ts";
import { loadDataset } from "../datasets.ts";
import { forCommandLine, SYNTHETIC, sourceOf } from "./choose-data.ts";
import { downloadProgress } from "./download-progress.ts";
import { interruptSignal } from "./interrupt.ts";
import { say } from "./terminal.ts";
import { count } from "./words.ts";

export async function dataGet(name: string, { dataDir }: { readonly dataDir?: string }): Promise<number> {
  if (name === SYNTHETIC) {
    say("The synthetic digits are built in; there is nothing to fetch.");
    return 0;
  }
  const source = sourceOf(name);
  const signal = interruptSignal();
  const progress = downloadProgress();
  try {
    const options = { dataDir, signal, onProgress: progress.update };
    const parts = await loadDataset<TrainTest | Dataset>(source, options);
    progress.stop();
    const samples =
      "train" in parts
        ? `${count(parts.train.count)} training and ${count(parts.test.count)} test samples`
        : `${count(parts.count)} samples`;
    const folder = join(dataDirectory(dataDir), name);
    say(`${source.title}: ${samples}, checked, in ${folder}`);
    if ("train" in parts && parts.note) say(`${parts.note}`);
    return 0;
  } catch (error) {
    progress.stop();
    if (!(error instanceof DataError)) throw error;
    throw new DataError(forCommandLine(error.message), { cause: error });
  }
}
