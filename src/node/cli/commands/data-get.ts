/** `weft data get NAME`: downloads the missing files of a data set, verifies all of them, and prints where they are. */
import { join } from "node:path";
import { dataDirectory } from "../../files/cache-folder.ts";
import { loadPublished, SYNTHETIC, sourceOf } from "../data/published-data.ts";
import { interruptSignal } from "../interrupt.ts";
import { count } from "../output/format.ts";
import { print } from "../output/terminal.ts";

export async function dataGet(name: string, { dataDir }: { readonly dataDir?: string }): Promise<number> {
  if (name === SYNTHETIC) {
    print("The synthetic digits are built in; there is nothing to download.");
    return 0;
  }
  const source = sourceOf(name);
  const parts = await loadPublished(source, { dataDir, signal: interruptSignal() });
  const samples =
    "train" in parts
      ? `${count(parts.train.count)} training and ${count(parts.test.count)} test samples`
      : `${count(parts.count)} samples`;
  print(`${source.title}: ${samples}, verified, in ${join(dataDirectory(dataDir), name)}`);
  if ("train" in parts && parts.note) print(parts.note);
  return 0;
}
