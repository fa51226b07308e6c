/** Checks the files that a command will write before anything is computed: writable, and not among those that it reads. */
import { readdir, rm, stat } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { ValueError } from "../../../validation/errors.ts";
import { realTarget, writeFileAtomic } from "../../files/atomic-write.ts";
import { dataDirectory } from "../../files/cache-folder.ts";
import { LOCK_NAME } from "../../files/folder-lock.ts";
import { checkpointFolder, runFile } from "./run-folder.ts";

/** An option and the file that it names. Several options may name one file for the history of the run. */
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

/** Throws ValueError naming the option. Follows links, and recognises a file by any of its names (hard links). */
export async function expectOutputs(outputs: readonly Output[], inputs: Inputs): Promise<void> {
  const read = await inputFiles(inputs);
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

/** Throws ValueError unless a file can be created at `path`. Makes its folder. */
async function expectWritable(option: string, path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new ValueError(`${option}: can't write ${path}: it is a folder`);
  const probe = join(dirname(path), `.${basename(path)}.${process.pid}.probe`);
  try {
    await writeFileAtomic(probe, "");
    await rm(probe, { force: true });
  } catch (cause) {
    const reason = (cause as Error).cause ?? cause;
    throw new ValueError(`${option}: can't write ${path}: ${(reason as Error).message}`, { cause });
  }
}

/** Real paths of all input files, and what they are. */
async function inputFiles(inputs: Inputs): Promise<Map<string, string>> {
  const { csv, images, compare = [], dataset, dataDir, run } = inputs;
  const files = new Map<string, string>();
  const add = async (paths: readonly string[], what: string) => {
    for (const path of paths) files.set(await realTarget(path), what);
  };
  if (csv !== undefined) await add([csv], "the table to learn from");
  await add(compare, "a file to compare with");
  if (csv === undefined && images === undefined) {
    const folder = join(dataDirectory(dataDir), dataset);
    await add(await filesBelow(folder), `a file of the data set ${dataset}`);
  }
  if (images !== undefined) {
    // Files directly in the folder are not images of a class: a saved model may lie there.
    const inClasses = (await filesBelow(images)).filter((path) => dirname(relative(images, path)) !== ".");
    await add(inClasses, "one of the images to learn from");
  }
  if (run !== undefined) {
    await add([runFile(run), join(run, LOCK_NAME)], "the run's own");
    await add(await filesBelow(checkpointFolder(run)), "a checkpoint of the run");
  }
  return files;
}

/** Paths of all files in a folder and below; none where there is no such folder. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
}

/** Device and inode: equal for all names of one file. */
async function identityOf(path: string): Promise<string | undefined> {
  const info = await stat(path, { bigint: true }).catch(() => undefined);
  return info && `${info.dev}:${info.ino}`;
}
