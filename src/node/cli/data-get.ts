/** `weft data get NAME`: downloads what is missing of a data set, checks all of it, says where it lies. */
import { join } from "node:path";
import { DataError } from "../../errors.ts";
import { dataDirectory } from "../data-dir.ts";
import { loadDataset } from "../datasets.ts";
import { forCommandLine, SYNTHETIC, sourceOf } from "./choose-data.ts";
import { downloadProgress } from "./download-progress.ts";
import { interruptSignal } from "./interrupt.ts";
import { count } from "./words.ts";

export async function dataGet(name: string, { dataDir }: { readonly dataDir?: string }): Promise<number> {
  if (name === SYNTHETIC) {
    process.stdout.write("The synthetic digits are built in; there is nothing to fetch.\n");
    return 0;
  }
  const source = sourceOf(name);
  const signal = interruptSignal();
  const progress = downloadProgress();
  try {
    const { train, test } = await loadDataset(source, { dataDir, signal, onProgress: progress.update });
    progress.stop();
    process.stdout.write(
      `${source.title}: ${count(train.count)} training and ${count(test.count)} test samples, ` +
        `checked, in ${join(dataDirectory(dataDir), name)}\n`,
    );
    return 0;
  } catch (error) {
    progress.stop();
    if (!(error instanceof DataError)) throw error;
    throw new DataError(forCommandLine(error.message), { cause: error });
  }
}
