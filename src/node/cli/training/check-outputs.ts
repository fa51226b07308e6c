/** Refuses, before anything is computed, files that can't be written and those that are read or written for another purpose. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { ValueError } from "../../../common/errors.ts";
import { realTarget } from "../../files/atomic-write.ts";
import { dataDirectory } from "../../files/cache-folder.ts";
import { LOCK_NAME } from "../../files/folder-lock.ts";
import { expectWritable } from "../options/option-values.ts";
import { checkpointFolder, runFile } from "./run-folder.ts";

/** An option, and the file that it names. Several options may ask for one file with the history of the run. */
export type Output = readonly [option: string, path: string, content?: "history"];

/** The page of `--report`, and the history files beside it. */
export function reportFiles(page: string): [page: string, csv: string, json: string] {
  const stem = page.replace(/\.html?$/i, "");
  return [page, `${stem}.csv`, `${stem}.json`];
}

/** What a command reads. */
export interface Inputs {
  readonly csv?: string | undefined;
  readonly images?: string | undefined;
  readonly compare?: readonly string[] | undefined;
  readonly dataset: string;
  readonly dataDir?: string | undefined;
  readonly run?: string | undefined;
}

/** Throws ValueError naming the option. Follows links, and knows a file by any of its names. */
export async function expectOutputs(outputs: readonly Output[], inputs: Inputs): Promise<void> {
  const read = await filesOf(inputs);
  const taken = new Map<string, Output>();
  for (const output of outputs) {
    const [option, path, content] = output;
    await expectWritable(option, path);
    const target = await realTarget(path);
    const other = taken.get(target);
    if (other !== undefined && (content === undefined || content !== other[2]))
      throw new ValueError(`${option}: ${path} is the file of ${other[0]} already; name another one`);
    taken.set(target, output);
    const identity = await identityOf(target);
    for (const [file, what] of read) {
      const same = file === target || (identity !== undefined && identity === (await identityOf(file)));
      if (same)
        throw new ValueError(`${option}: won't write to ${path}, which is ${what}; name another file`);
    }
  }
}

/** Real paths, and what they are. */
async function filesOf({
  csv,
  images,
  compare = [],
  dataset,
  dataDir,
  run,
}: Inputs): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const add = async (path: string, what: string) => void files.set(await realTarget(path), what);
  if (csv !== undefined) await add(csv, "the table to learn from");
  for (const file of compare) await add(file, "a file to compare with");
  const folder = join(dataDirectory(dataDir), dataset);
  for (const name of csv === undefined && images === undefined ? await below(folder) : [])
    await add(join(folder, name), `a file of the data set ${dataset}`);
  // A saved model may lie beside the folders of the classes.
  for (const name of images === undefined ? [] : await below(images))
    if (/[\\/]/.test(name)) await add(join(images as string, name), "one of the images to learn from");
  if (run !== undefined) {
    for (const path of [runFile(run), join(run, LOCK_NAME)]) await add(path, "the run's own");
    for (const name of await below(checkpointFolder(run)))
      await add(join(checkpointFolder(run), name), "a checkpoint of the run");
  }
  return files;
}

/** Names of all files in a folder; none where there is no such folder. */
async function below(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, "x").length - 1));
}

/** Equal for all names of one file. */
async function identityOf(path: string): Promise<string | undefined> {
  const info = await stat(path, { bigint: true }).catch(() => undefined);
  return info && `${info.dev}:${info.ino}`;
}
