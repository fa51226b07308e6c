/** `weft data get NAME`: downloads what is missing of a data set, checks all of it, says where it lies. */
import { join } from "node:path";
import { DataError } from "../../../common/errors.ts";
import type { Dataset } from "../../../data/dataset.ts";
import type { TrainTest } from "../../../data/published/dataset-source.ts";
import { loadDataset } from "../../datasets.ts";
import { dataDirectory } from "../../files/cache-folder.ts";
import { forCommandLine, SYNTHETIC, sourceOf } from "../data/published-data.ts";
import { interruptSignal } from "../interrupt.ts";
import { downloadProgress } from "../output/download-progress.ts";
import { count } from "../output/format.ts";
import { say } from "../output/terminal.ts";

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
