/**
 * The folder of a run that can be resumed: run.json with what was asked for, checkpoints, history. Refuses a folder that
 * holds another run already, and one whose data are no longer the same.
 */
import { readdir, realpath, stat } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { CommanderError } from "commander";
import { FormatError, ValueError } from "../../../common/errors.ts";
import { Fields } from "../../../common/json-fields.ts";
import { version } from "../../../common/version.ts";
import { crc32 } from "../../../data/archives/zip.ts";
import type { TrainTest } from "../../../data/published/dataset-source.ts";
import { readTextFile, realTarget, writeFileAtomic } from "../../files/atomic-write.ts";
import { signatureOf } from "../../files/signature.ts";
import { type TrainFlags, trainCommand } from "../options/train-options.ts";
import { optionWord } from "../output/format.ts";

/** Flags that a resumed run may have anew: they change nothing of it. */
const ANEW = [
  "resume",
  "json",
  "quiet",
  "save",
  ...["log", "history", "report", "picture", "compare", "dataDir"],
];
const FORMAT = 1;
/** Options whose files or folders a run writes to. */
const WRITTEN = ["save", "history", "log", "picture", "report", "dataDir"] as const;
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
  /** Tells that this user's Weft chose the paths. */
  readonly signature?: string | undefined;
}

export interface StoredRun {
  readonly recipe: string;
  readonly flags: TrainFlags;
  readonly file: RunFile;
}

export const checkpointFolder = (folder: string) => join(folder, "checkpoints");
export const runFile = (folder: string) => join(folder, "run.json");

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
  const unsigned: RunFile = {
    format: FORMAT,
    weft: version,
    run: id,
    recipe,
    options,
    data: fingerprint(data),
    adapter,
  };
  const run = { ...unsigned, signature: await signatureOf(pathsOf(options)) };
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
  const text = await readTextFile(path).catch((cause: Error) => {
    throw new ValueError(`--resume: there is no run in ${folder} (${cause.message})`, { cause });
  });
  const file = parsed(path, text);
  const words = Object.entries(file.options).flatMap(([name, value]) =>
    value === true ? [optionWord(name)] : [optionWord(name), value],
  );
  const command = trainCommand()
    .exitOverride()
    .configureOutput({ writeOut: () => undefined, outputError: () => undefined });
  try {
    command.parse([...words, "--", file.recipe], { from: "user" });
  } catch (cause) {
    if (!(cause instanceof CommanderError)) throw cause;
    throw new FormatError(`${path}: can't be followed: ${cause.message.replace(/^error: /, "")}`, { cause });
  }
  const stored = command.opts<TrainFlags>();
  await expectWithin(folder, file, given);
  const anew = Object.fromEntries(given.map((name) => [name, flags[name as keyof TrainFlags]]));
  return { recipe: file.recipe, flags: { ...stored, ...anew, run: folder }, file };
}

/** The signed content: only this user may choose where a run writes. */
const pathsOf = (options: RunFile["options"]) => WRITTEN.map((name) => options[name] ?? null);

/**
 * A stranger's run.json, or one that was edited, must not write elsewhere unasked, nor may links in a run folder lead out of
 * it. Throws ValueError naming the option that does and is not on the command line, or the link.
 */
async function expectWithin(
  folder: string,
  { options, signature }: RunFile,
  given: readonly string[],
): Promise<void> {
  const root = await realpath(folder);
  const isWithin = async (path: string) => `${await realTarget(path)}${sep}`.startsWith(`${root}${sep}`);
  const isOwn = signature !== undefined && signature === (await signatureOf(pathsOf(options)));
  for (const name of isOwn ? [] : WRITTEN) {
    const path = options[name];
    if (typeof path !== "string" || given.includes(name) || (await isWithin(path))) continue;
    throw new ValueError(
      `--resume: ${runFile(folder)} would write to ${path}, outside its folder, and was not written by your Weft: ` +
        `give ${optionWord(name)} on the command line, with this path or another one`,
    );
  }
  for (const name of await readdir(folder)) {
    if (await isWithin(join(folder, name))) continue;
    throw new ValueError(`--resume: ${join(folder, name)} is a link that leads out of ${folder}; remove it`);
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
  let place = `${path}: is no description of a run that weft train wrote`;
  const run = Fields.parse(text, place);
  run.format(FORMAT);
  place = `${path}: can't be followed`;
  run.matching("recipe", /^[\w-]+$/, "the name of a recipe");
  const known = trainCommand().options.map((option) => option.attributeName());
  const options = run.fields("options");
  for (const name of options.names) {
    if (!known.includes(name))
      throw new FormatError(`${place}: weft train has no option ${JSON.stringify(name)}`);
    if (options.values[name] !== true) options.text(name);
  }
  const data = run.fields("data");
  data.text("name");
  for (const name of ["train", "test"]) data.whole(name);
  data.matching("crc32", /^[0-9a-f]{8}$/, "eight hexadecimal digits");
  for (const name of ["weft", "adapter"]) run.text(name);
  for (const name of ["run", "signature"])
    run.optional(name, (n) => run.matching(n, /^[0-9a-f]{1,64}$/, "hexadecimal digits"));
  return run.values as unknown as RunFile;
}

/** Enough to tell other data: their name, number and labels, and the first million values. */
function fingerprint({ name, train, test }: TrainTest & { readonly name: string }): RunFile["data"] {
  const parts = [train, test].flatMap(({ inputs, labels }) => [inputs.data.subarray(0, 2 ** 20), labels]);
  const sums = parts.map((part) => crc32(new Uint8Array(part.buffer, part.byteOffset, part.byteLength)));
  const all = crc32(new Uint8Array(Uint32Array.from(sums).buffer));
  return { name, train: train.count, test: test.count, crc32: all.toString(16).padStart(8, "0") };
}
