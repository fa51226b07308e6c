/**
 * The folder of a run that can be resumed: run.json with what was asked for, checkpoints, history. Refuses a folder that
 * holds another run already, and one whose data are no longer the same.
 */
import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { CommanderError } from "commander";
import type { TrainTest } from "../../data/source.ts";
import { crc32 } from "../../data/zip.ts";
import { FormatError, ValueError } from "../../errors.ts";
import { version } from "../../version.ts";
import { writeFileAtomic } from "../files.ts";
import { type TrainFlags, trainCommand } from "./train-command.ts";
import { optionWord } from "./words.ts";

/** Flags that a resumed run may have anew: they change nothing of it. */
const ANEW = ["resume", "json", "quiet", "log", "history", "report", "picture", "compare", "dataDir"];
const FORMAT = 1;
const PATHS = ["save", "history", "log", "picture", "report", "dataDir", "csv", "images"];

/** What run.json holds. */
interface RunFile {
  readonly format: number;
  readonly weft: string;
  /** Stands in every checkpoint, too; runs of early versions have none. */
  readonly run?: string;
  readonly recipe: string;
  /** Flags by their names, as words. */
  readonly options: Readonly<Record<string, string | true>>;
  readonly data: {
    readonly name: string;
    readonly train: number;
    readonly test: number;
    readonly crc32: string;
  };
  readonly adapter: string;
}

export interface StoredRun {
  readonly recipe: string;
  readonly flags: TrainFlags;
  readonly file: RunFile;
}

export const checkpointFolder = (folder: string) => join(folder, "checkpoints");
const runFile = (folder: string) => join(folder, "run.json");

/** Throws ValueError if there is a run in `folder`. */
export async function expectNoRun(folder: string): Promise<void> {
  if ((await stat(runFile(folder)).catch(() => undefined)) !== undefined) {
    throw new ValueError(
      `--run: ${folder} holds a run already; go on with --resume ${folder}, or name another`,
    );
  }
}

export async function writeRun(
  folder: string,
  recipe: string,
  flags: TrainFlags,
  data: TrainTest & { readonly name: string },
  { run: id, adapter }: { readonly run: string; readonly adapter: string },
): Promise<void> {
  const options: Record<string, string | true> = {};
  const own = flags.csv !== undefined || flags.images !== undefined;
  for (const [name, value] of Object.entries({ ...flags, ...(own ? {} : { dataset: data.name }) })) {
    if (name === "run" || (value !== true && typeof value !== "string" && typeof value !== "number"))
      continue;
    options[name] = value === true ? true : PATHS.includes(name) ? resolve(String(value)) : String(value);
  }
  const run: RunFile = {
    format: FORMAT,
    weft: version,
    run: id,
    recipe,
    options,
    data: fingerprint(data),
    adapter,
  };
  const text = `${JSON.stringify(run, null, 2)}\n`;
  await writeFileAtomic(runFile(folder), text, { exclusive: true }).catch(async (error: unknown) => {
    await expectNoRun(folder);
    throw error;
  });
}

/** The run in `folder` with flags as when it began. `given`: names of the flags that stand beside --resume. */
export async function readRun(
  folder: string,
  flags: TrainFlags,
  given: readonly string[],
): Promise<StoredRun> {
  const odd = given.find((name) => !ANEW.includes(name));
  if (odd !== undefined) {
    const word = odd === "recipe" ? "the recipe" : optionWord(odd);
    throw new ValueError(`--resume: the run in ${folder} has its own settings; leave out ${word}`);
  }
  const path = runFile(folder);
  const text = await readFile(path, "utf8").catch((cause: Error) => {
    throw new ValueError(`--resume: there is no run in ${folder} (${cause.message})`, { cause });
  });
  const file = parsed(path, text);
  const words = Object.entries(file.options).flatMap(([name, value]) =>
    value === true ? [optionWord(name)] : [optionWord(name), value],
  );
  try {
    const command = trainCommand()
      .exitOverride()
      .configureOutput({ outputError: () => undefined });
    command.parse([file.recipe, ...words], { from: "user" });
    const anew = Object.fromEntries(given.map((name) => [name, flags[name as keyof TrainFlags]]));
    const stored = command.opts<TrainFlags>();
    return { recipe: file.recipe, flags: { ...stored, ...anew, run: folder }, file };
  } catch (cause) {
    if (!(cause instanceof CommanderError)) throw cause;
    throw new FormatError(`${path}: can't be followed: ${cause.message.replace(/^error: /, "")}`, { cause });
  }
}

/** Throws ValueError unless `data` are those that the run began with. */
export function expectSameData(
  folder: string,
  { data: before }: RunFile,
  data: TrainTest & { readonly name: string },
): void {
  const now = fingerprint(data);
  if (JSON.stringify(now) !== JSON.stringify(before)) {
    throw new ValueError(
      `--resume: the run in ${folder} began with other data (${before.name}, ${before.train} training and ` +
        `${before.test} test samples, CRC-32 ${before.crc32}; now ${now.name}, ${now.train} and ${now.test}, ${now.crc32})`,
    );
  }
}

function parsed(path: string, text: string): RunFile {
  const fail = () => new FormatError(`${path}: is no description of a run that weft train wrote`);
  let value: Partial<RunFile> | null;
  try {
    value = JSON.parse(text) as Partial<RunFile> | null;
  } catch {
    throw fail();
  }
  const { recipe, options, data } = value ?? {};
  const words = typeof options === "object" && options !== null ? Object.values(options) : [0];
  if (
    typeof recipe !== "string" ||
    typeof data?.name !== "string" ||
    !words.every((word) => word === true || typeof word === "string")
  ) {
    throw fail();
  }
  return value as RunFile;
}

/** Enough to tell other data: their name, number and labels, and the first million values. */
function fingerprint({ name, train, test }: TrainTest & { readonly name: string }): RunFile["data"] {
  const parts = [train, test].flatMap(({ inputs, labels }) => [inputs.data.subarray(0, 2 ** 20), labels]);
  const sums = parts.map((part) => crc32(new Uint8Array(part.buffer, part.byteOffset, part.byteLength)));
  const all = crc32(new Uint8Array(Uint32Array.from(sums).buffer));
  return { name, train: train.count, test: test.count, crc32: all.toString(16).padStart(8, "0") };
}
