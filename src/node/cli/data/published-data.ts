/**
 * Data sets by the names of the command line. A data set that the user names must be available. The recipe's own data set
 * may be replaced by built-in synthetic digits, with a notice.
 */
import { join } from "node:path";
import { type Dataset, subset } from "../../../data/dataset.ts";
import type { TrainTest } from "../../../data/published/dataset-source.ts";
import { datasetSources } from "../../../data/published/index.ts";
import { syntheticDigits } from "../../../data/synthetic/digits.ts";
import type { Recipe } from "../../../recipes/recipe.ts";
import { type RecipeSettings, recipeData } from "../../../recipes/run.ts";
import { DataError, ValueError } from "../../../validation/errors.ts";
import { type LoadOptions, loadDataset } from "../../datasets.ts";
import { dataDirectory } from "../../files/cache-folder.ts";
import type { DataFlags } from "../options/shared-options.ts";
import { downloadProgress } from "../output/progress-bars.ts";

export const SYNTHETIC = "synthetic";
const SYNTHETIC_TITLE = "synthetic digits";
const SYNTHETIC_TRAIN = 20_000;
const SYNTHETIC_TEST = 4_000;
/** Data sets of 28x28 grey images in ten classes, which the synthetic digits can replace. */
const REPLACEABLE: readonly string[] = ["mnist", "fashion-mnist"];
/** How long to wait for a connection when the data set can be replaced. */
const REPLACE_AFTER_MS = 2000;

export interface ChosenData extends TrainTest {
  /** The value of `--dataset` for it. */
  readonly name: string;
  /** For people. */
  readonly title: string;
}

type AnySource = (typeof datasetSources)[keyof typeof datasetSources];
const sources = new Map<string, AnySource>(Object.values(datasetSources).map((s) => [s.name, s]));

/** Throws ValueError unless there is a data set called `name`. */
export function expectDataset(name: string): void {
  if (name !== SYNTHETIC) sourceOf(name);
}

/** The published data set called `name`; throws ValueError listing all names if there is none. */
export function sourceOf(name: string): AnySource {
  const source = sources.get(name);
  if (source !== undefined) return source;
  const names = [...sources.keys(), SYNTHETIC].join(", ");
  throw new ValueError(`there is no data set ${name}; there are ${names}`);
}

/** Loads a data set and shows downloads. DataErrors name options as the command line does. */
export async function loadPublished(
  source: AnySource,
  options: Pick<LoadOptions, "dataDir" | "signal" | "connectTimeout">,
): Promise<TrainTest | Dataset> {
  const progress = downloadProgress();
  try {
    return await loadDataset<TrainTest | Dataset>(source, { ...options, onProgress: progress.update });
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    throw new DataError(withOptionNames(error.message), { cause: error });
  } finally {
    progress.stop();
  }
}

/** A message of the library with the names of its options replaced by those of the command line. */
export function withOptionNames(message: string): string {
  return message
    .replaceAll("`dataDir`", "--data-dir")
    .replaceAll("`header` (true or false)", "--header (yes or no)")
    .replaceAll('`decimal: ","`', "--decimal ,")
    .replace(/`(ignore|decimal)`/g, "--$1");
}

/** Training and test set for `recipe`: of the data set that `flags` name, else of its own or the synthetic digits. */
export async function trainingData(
  recipe: Recipe,
  { dataset, dataDir, limit }: DataFlags,
  {
    signal,
    notice,
    settings,
  }: { signal: AbortSignal; notice(line: string): void; settings?: RecipeSettings },
): Promise<ChosenData> {
  const name = dataset ?? recipe.dataset;
  if (dataset === undefined && recipe.data !== undefined)
    return { name, title: recipe.title, ...limited(recipe.data(), limit) };
  if (name === SYNTHETIC) return synthetic(limit);
  const source = sourceOf(name);
  const replaceable = REPLACEABLE.includes(name);
  try {
    const quick = dataset === undefined && replaceable ? { connectTimeout: REPLACE_AFTER_MS } : {};
    const loaded = await loadPublished(source, { dataDir, signal, ...quick });
    const parts = recipeData(recipe, loaded, settings);
    return { name, title: titleOf(source, parts), ...limited(parts, limit) };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    if (dataset !== undefined || !replaceable) {
      const instead = replaceable ? ` Or train on built-in digits: --dataset ${SYNTHETIC}` : "";
      throw new DataError(`${error.message}${instead}`, { cause: error });
    }
    const [reason = ""] = error.message.split(/ Tried:|\n/);
    notice(
      `${reason}${/[.?!]$/.test(reason) ? "" : "."} Using the built-in synthetic digits instead. For the real ones: ` +
        `weft data get ${name}, or put the files into ${join(dataDirectory(dataDir), name)}.`,
    );
    return synthetic(limit);
  }
}

/** The first `samples` of the test set called `name` as `recipe` prepares it; default all. */
export async function testData(
  recipe: Recipe,
  name: string,
  samples: number | undefined,
  { settings, ...options }: { dataDir: string | undefined; signal: AbortSignal; settings: RecipeSettings },
): Promise<{ readonly test: Dataset; readonly title: string }> {
  if (name === SYNTHETIC) {
    const { test } = syntheticDigits({ train: 1, test: samples ?? SYNTHETIC_TEST });
    return { test, title: SYNTHETIC_TITLE };
  }
  const isOwn = recipe.data !== undefined && name === recipe.dataset;
  const source = isOwn ? undefined : sourceOf(name);
  const parts = recipeData(recipe, source && (await loadPublished(source, options)), settings);
  const test = samples === undefined ? parts.test : subset(parts.test, samples);
  return { test, title: source === undefined ? recipe.title : titleOf(source, parts) };
}

const titleOf = ({ title }: AnySource, { note }: TrainTest) =>
  note === undefined ? title : `${title} (${note})`;

function synthetic(limit = SYNTHETIC_TRAIN): ChosenData {
  const test = Math.max(1, Math.round((limit * SYNTHETIC_TEST) / SYNTHETIC_TRAIN));
  return { name: SYNTHETIC, title: SYNTHETIC_TITLE, ...syntheticDigits({ train: limit, test }) };
}

/** The first `limit` training samples, and the same share of the test set. */
export function limited({ train, test }: TrainTest, limit: number | undefined): TrainTest {
  if (limit === undefined) return { train, test };
  const first = subset(train, limit);
  const share = Math.max(1, Math.round((test.count * first.count) / train.count));
  return { train: first, test: subset(test, share) };
}
