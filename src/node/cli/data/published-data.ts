/**
 * Data sets by the names of the command line. Asked for by name, a set must be had; the recipe's own set may be stood
 * in for by the built-in synthetic digits, and that is said in plain words.
 */
import { join } from "node:path";
import { DataError, ValueError } from "../../../common/errors.ts";
import type { Dataset } from "../../../data/dataset.ts";
import { subset } from "../../../data/dataset.ts";
import { split } from "../../../data/prepare/split.ts";
import type { TrainTest } from "../../../data/published/dataset-source.ts";
import { datasetSources } from "../../../data/published/index.ts";
import { syntheticDigits } from "../../../data/synthetic/digits.ts";
import { type DownloadProgress, type LoadOptions, loadDataset } from "../../datasets.ts";
import { dataDirectory } from "../../files/cache-folder.ts";

export const SYNTHETIC = "synthetic";
const SYNTHETIC_TRAIN = 20_000;
const SYNTHETIC_TEST = 4_000;
/** How long to try for a data set that there is a stand-in for. */
const STAND_IN_AFTER_MS = 2000;
/** Sets of 28x28 grey images in ten classes, whose models the synthetic digits fit. */
const STAND_IN_FOR: readonly string[] = ["mnist", "fashion-mnist"];

export interface ChosenData extends TrainTest {
  /** As `--dataset` has it. */
  readonly name: string;
  /** For people. */
  readonly title: string;
}

export interface ChooseOptions {
  readonly dataDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** What the recipe does to a published set; default: as it is, a set in one piece divided the same way each time. */
  readonly prepare?: ((data: Dataset | TrainTest) => TrainTest) | undefined;
}

type AnySource = (typeof datasetSources)[keyof typeof datasetSources];
const sources = new Map<string, AnySource>(Object.values(datasetSources).map((s) => [s.name, s]));

/** How a set that nobody has divided is divided. */
const TRAIN_SHARE = 0.8;
const SPLIT_SEED = 0;

async function loadDivided(
  source: AnySource,
  options: ChooseOptions & Pick<LoadOptions, "connectTimeout">,
): Promise<TrainTest> {
  const { prepare, dataDir, signal, onProgress, connectTimeout } = options;
  const load = { dataDir, signal, onProgress, connectTimeout };
  const parts = await loadDataset<TrainTest | Dataset>(source, load);
  if (prepare) return prepare(parts);
  return "train" in parts ? parts : divide(parts, SPLIT_SEED);
}

/** Training and test set out of one, 80 to 20, classes in proportion. */
export function divide(dataset: Dataset, seed: number): TrainTest {
  const stratify = dataset.classes !== undefined;
  const [train, test] = split(dataset, TRAIN_SHARE, seed, { stratify, names: ["train", "test"] });
  return { train, test };
}

const titled = (source: AnySource, { note }: TrainTest) =>
  note === undefined ? source.title : `${source.title} (${note})`;

/** Throws ValueError unless there is a data set called `name`. */
export function expectDataset(name: string): void {
  if (name !== SYNTHETIC) sourceOf(name);
}

/** The published data set called `name`; throws ValueError listing those there are. */
export function sourceOf(name: string): AnySource {
  const source = sources.get(name);
  if (source === undefined) {
    throw new ValueError(
      `there is no data set ${name}; there are ${[...sources.keys(), SYNTHETIC].join(", ")}`,
    );
  }
  return source;
}

/** Training and test set: `asked`, or else `preferred` or its stand-in; the first `limit` samples and a like share of tests. */
export async function chooseData(
  asked: string | undefined,
  preferred: string,
  limit: number | undefined,
  { notice, ...options }: ChooseOptions & { readonly notice: (line: string) => void },
): Promise<ChosenData> {
  const name = asked ?? preferred;
  if (name === SYNTHETIC) return synthetic(limit);
  const source = sourceOf(name);
  try {
    const quick =
      asked === undefined && STAND_IN_FOR.includes(name) ? { connectTimeout: STAND_IN_AFTER_MS } : {};
    const parts = await loadDivided(source, { ...options, ...quick });
    return { name, title: titled(source, parts), ...limited(parts.train, parts.test, limit) };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    const fits = STAND_IN_FOR.includes(name);
    if (asked !== undefined || !fits) {
      const orElse = fits ? ` Or train on built-in digits: --dataset ${SYNTHETIC}` : "";
      throw new DataError(`${forCommandLine(error.message)}${orElse}`, { cause: error });
    }
    const [reason = ""] = error.message.split(/ Tried:|\n/);
    notice(
      `${reason}${/[.?!]$/.test(reason) ? "" : "."} Using the built-in synthetic digits instead. For the real ones: ` +
        `weft data get ${name}, or put the files into ${join(dataDirectory(options.dataDir), name)}.`,
    );
    return synthetic(limit);
  }
}

/** The first `samples` of the test set called `name`; all of it if not given. */
export async function chooseTest(
  name: string,
  samples: number | undefined,
  options: ChooseOptions,
): Promise<{ readonly test: Dataset; readonly title: string }> {
  if (name === SYNTHETIC) {
    const { test } = syntheticDigits({ train: 1, test: samples ?? SYNTHETIC_TEST });
    return { test, title: "synthetic digits" };
  }
  const source = sourceOf(name);
  const parts = await loadDivided(source, options).catch((error: unknown) => {
    throw error instanceof DataError ? new DataError(forCommandLine(error.message), { cause: error }) : error;
  });
  const test = samples === undefined ? parts.test : subset(parts.test, samples);
  return { test, title: titled(source, parts) };
}

/** Advice that names an option of the library, in the words of the command line. */
export function forCommandLine(message: string): string {
  return message
    .replaceAll("`dataDir`", "--data-dir")
    .replaceAll("`header` (true or false)", "--header (yes or no)")
    .replaceAll('`decimal: ","`', "--decimal ,")
    .replace(/`(ignore|decimal)`/g, "--$1");
}

function synthetic(limit: number | undefined): ChosenData {
  const train = limit ?? SYNTHETIC_TRAIN;
  const test = Math.max(1, Math.round((train * SYNTHETIC_TEST) / SYNTHETIC_TRAIN));
  return { name: SYNTHETIC, title: "synthetic digits", ...syntheticDigits({ train, test }) };
}

/** The first `limit` training samples, and as large a share of the test set. */
export function limited(train: Dataset, test: Dataset, limit: number | undefined): TrainTest {
  if (limit === undefined) return { train, test };
  const first = subset(train, limit);
  const share = Math.max(1, Math.round((test.count * first.count) / train.count));
  return { train: first, test: subset(test, share) };
}
