/**
 * The folder of a run that can be resumed: run.json with the flags of the run, checkpoints, history. Refuses a folder that
 * already holds a run, data that have changed, and a run.json that would write to paths the user has not confirmed.
 */
import { readdir, realpath, stat } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { CommanderError } from "commander";
import { crc32 } from "../../../data/archives/zip.ts";
import { FormatError, ValueError } from "../../../validation/errors.ts";
import { Fields } from "../../../validation/json-fields.ts";
import { version } from "../../../version.ts";
import { readTextFile, realTarget, writeFileAtomic } from "../../files/atomic-write.ts";
import { signatureOf } from "../../files/signature.ts";
import type { ChosenData } from "../data/published-data.ts";
import { type TrainFlags, trainCommand } from "../options/train-options.ts";
import { optionName } from "../output/format.ts";

const FORMAT = 1;
/** Options whose files or folders a run writes to. */
const OUTPUT_PATHS = ["save", "history", "log", "picture", "report", "dataDir"] as const;
const PATHS: readonly string[] = [...OUTPUT_PATHS, "csv", "images"];
/** Flags that may be given with --resume: they do not change the training. */
const ALLOWED_WITH_RESUME: readonly string[] = ["resume", "json", "quiet", "compare", ...OUTPUT_PATHS];

/** The content of run.json. */
interface RunFile {
  readonly format: number;
  readonly weft: string;
  /** The id that every checkpoint of the run holds too; early versions wrote none. */
  readonly run?: string;
  readonly recipe: string;
  /** Flags by their names, values as text. */
  readonly options: Readonly<Record<string, string | true>>;
  readonly data: {
    readonly name: string;
    readonly train: number;
    readonly test: number;
    readonly crc32: string;
  };
  readonly adapter: string;
  /** Proves that this user's Weft wrote the paths. */
  readonly signature?: string | undefined;
}

export interface StoredRun {
  readonly recipe: string;
  readonly flags: TrainFlags;
  readonly file: RunFile;
}

export const checkpointFolder = (folder: string) => join(folder, "checkpoints");
export const runFile = (folder: string) => join(folder, "run.json");

export async function expectNoRun(folder: string): Promise<void> {
  if ((await stat(runFile(folder)).catch(() => undefined)) === undefined) return;
  throw new ValueError(
    `--run: ${folder} already holds a run; continue it with --resume ${folder}, or name another folder`,
  );
}

export async function writeRun(
  folder: string,
  recipe: string,
  flags: TrainFlags,
  data: ChosenData,
  { run, adapter }: { readonly run: string; readonly adapter: string },
): Promise<void> {
  const options: Record<string, string | true> = {};
  const own = flags.csv !== undefined || flags.images !== undefined;
  for (const [name, value] of Object.entries({ ...flags, ...(own ? {} : { dataset: data.name }) })) {
    if (name === "run") continue;
    if (value === true) options[name] = true;
    else if (typeof value === "string" || typeof value === "number")
      options[name] = PATHS.includes(name) ? resolve(String(value)) : String(value);
  }
  const signature = await signatureOf(signedPaths(options));
  const about = { format: FORMAT, weft: version, run, recipe, options, data: fingerprint(data), adapter };
  const file: RunFile = { ...about, signature };
  const text = `${JSON.stringify(file, null, 2)}\n`;
  await writeFileAtomic(runFile(folder), text, { exclusive: true }).catch(async (error: unknown) => {
    await expectNoRun(folder);
    throw error;
  });
}

/** The run in `folder` with its own flags. `given`: names of the flags on the command line beside --resume. */
export async function readRun(
  folder: string,
  flags: TrainFlags,
  given: readonly string[],
): Promise<StoredRun> {
  const other = given.find((name) => !ALLOWED_WITH_RESUME.includes(name));
  if (other !== undefined) {
    const argument = other === "recipe" ? "the recipe" : optionName(other);
    throw new ValueError(`--resume: the run in ${folder} has its own settings; leave out ${argument}`);
  }
  const path = runFile(folder);
  const text = await readTextFile(path).catch((cause: Error) => {
    throw new ValueError(`--resume: there is no run in ${folder} (${cause.message})`, { cause });
  });
  const file = parseRunFile(path, text);
  const args = Object.entries(file.options).flatMap(([name, value]) =>
    value === true ? [optionName(name)] : [optionName(name), value],
  );
  const command = trainCommand()
    .exitOverride()
    .configureOutput({ writeOut: () => undefined, outputError: () => undefined });
  try {
    command.parse([...args, "--", file.recipe], { from: "user" });
  } catch (cause) {
    if (!(cause instanceof CommanderError)) throw cause;
    throw new FormatError(`${path}: can't be resumed: ${cause.message.replace(/^error: /, "")}`, { cause });
  }
  await expectOwnPaths(folder, file, given);
  const overrides = Object.fromEntries(given.map((name) => [name, flags[name as keyof TrainFlags]]));
  return { recipe: file.recipe, flags: { ...command.opts<TrainFlags>(), ...overrides, run: folder }, file };
}

const signedPaths = (options: RunFile["options"]) => OUTPUT_PATHS.map((name) => options[name] ?? null);

/**
 * A run.json from elsewhere, or one that was edited, must not choose where to write, nor may links in a run folder lead out of
 * it. Throws ValueError naming the option that does so and is not on the command line, or the link.
 */
async function expectOwnPaths(
  folder: string,
  { options, signature }: RunFile,
  given: readonly string[],
): Promise<void> {
  const root = await realpath(folder);
  const isInside = async (path: string) => `${await realTarget(path)}${sep}`.startsWith(`${root}${sep}`);
  const isSigned = signature !== undefined && signature === (await signatureOf(signedPaths(options)));
  for (const name of isSigned ? [] : OUTPUT_PATHS) {
    const path = options[name];
    if (typeof path !== "string" || given.includes(name) || (await isInside(path))) continue;
    throw new ValueError(
      `--resume: ${runFile(folder)} would write to ${path}, outside its folder, and was not written by your Weft: ` +
        `give ${optionName(name)} on the command line, with this path or another one`,
    );
  }
  for (const name of await readdir(folder)) {
    if (await isInside(join(folder, name))) continue;
    throw new ValueError(`--resume: ${join(folder, name)} is a link that leads out of ${folder}; remove it`);
  }
}

/** Throws ValueError unless `data` are those that the run began with. */
export function expectSameData(folder: string, { data: before }: RunFile, data: ChosenData): void {
  const now = fingerprint(data);
  if (JSON.stringify(now) === JSON.stringify(before)) return;
  throw new ValueError(
    `--resume: the run in ${folder} began with other data (${before.name}, ${before.train} training and ` +
      `${before.test} test samples, CRC-32 ${before.crc32}; now ${now.name}, ${now.train} and ${now.test}, ${now.crc32})`,
  );
}

function parseRunFile(path: string, text: string): RunFile {
  const run = Fields.parse(text, `${path}: is not a run description of weft train`);
  run.format(FORMAT);
  run.matching("recipe", /^[\w-]+$/, "the name of a recipe");
  const known = trainCommand().options.map((option) => option.attributeName());
  const options = run.fields("options");
  for (const name of options.names) {
    if (!known.includes(name))
      throw new FormatError(`${path}: can't be resumed: weft train has no option ${JSON.stringify(name)}`);
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

/** Identifies the data: their name, sizes, labels, and the first million values. */
function fingerprint({ name, train, test }: ChosenData): RunFile["data"] {
  const parts = [train, test].flatMap(({ inputs, labels }) => [inputs.data.subarray(0, 2 ** 20), labels]);
  const sums = parts.map((part) => crc32(new Uint8Array(part.buffer, part.byteOffset, part.byteLength)));
  const all = crc32(new Uint8Array(Uint32Array.from(sums).buffer));
  return { name, train: train.count, test: test.count, crc32: all.toString(16).padStart(8, "0") };
}
