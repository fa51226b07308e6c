/**
 * `--csv FILE --label COLUMN` and `--images FOLDER`: the user's own data divided 80 to 20, and the recipe that fits it.
 * A saved file says which; `weft eval` then measures the held-out part again, or all of another file.
 */

import { DataError, FormatError, ValueError } from "../../../common/errors.ts";
import { type Dataset, subset } from "../../../data/dataset.ts";
import { alignTo } from "../../../data/prepare/align.ts";
import type { TrainTest } from "../../../data/published/dataset-source.ts";
import {
  lenet5Side,
  type OwnModel,
  parseOwnModel,
  recipeForOwnData,
  recipeOfOwnModel,
} from "../../../recipes/own-data.ts";
import type { Recipe } from "../../../recipes/recipe.ts";
import { datasets } from "../../datasets.ts";
import type { OwnDataFlags } from "../options/own-data-options.ts";
import { aside } from "../output/terminal.ts";
import { type ChosenData, divide, forCommandLine, limited } from "./published-data.ts";

export interface OwnData {
  readonly recipe: Recipe;
  readonly data: ChosenData;
  /** For the saved file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Of the file's metadata. */
const MODEL_KEY = "ownModel";

/** A column by its name, or by its number from 0 if it is written as one. */
const columnOf = (label: string) => (/^-?\d+$/.test(label) ? Number(label) : label);

/** What `flags` ask for; undefined if they name no data of the user's. Throws ValueError where they don't fit together. */
export async function ownData(
  flags: OwnDataFlags & { readonly dataset?: string; readonly seed: number; readonly limit?: number },
): Promise<OwnData | undefined> {
  const { csv, label, ignore, header, decimal, seed, limit } = flags;
  const source = sourceOf(flags);
  if (source === undefined) return undefined;
  if (flags.dataset !== undefined) throw new ValueError(`--dataset and ${source.option} can't both be given`);
  const whole = csv === undefined ? await readImages(source.path) : await readTable(csv, flags);
  const parts = "train" in whole ? whole : divided(whole, seed);
  const { train, test } = limited(parts.train, parts.test, limit);
  const { recipe, model } = recipeForOwnData(train);
  return {
    recipe,
    data: { name: recipe.name, title: source.path, train, test },
    metadata: {
      [MODEL_KEY]: JSON.stringify(model),
      source: source.path,
      ...(label === undefined ? {} : { label }),
      ...(ignore === undefined ? {} : { ignore }),
      ...(header === undefined ? {} : { header }),
      ...(decimal === undefined ? {} : { decimal }),
    },
  };
}

function sourceOf(flags: OwnDataFlags): { option: string; path: string } | undefined {
  const { csv, images } = flags;
  if (csv !== undefined && images !== undefined)
    throw new ValueError("--csv and --images can't both be given");
  for (const option of ["label", "ignore", "task", "header", "decimal"] as const) {
    if (flags[option] !== undefined && csv === undefined)
      throw new ValueError(`--${option} goes with --csv FILE`);
  }
  if (csv !== undefined) return { option: "--csv", path: csv };
  return images === undefined ? undefined : { option: "--images", path: images };
}

async function readTable(
  path: string,
  { label, ignore, task, header, decimal }: OwnDataFlags,
): Promise<Dataset> {
  if (label === undefined) {
    throw new ValueError("--csv needs --label COLUMN: what is to be learned, by name or by number from 0");
  }
  const ignored = ignore?.split(",").map((column) => columnOf(column.trim()));
  const options = {
    label: columnOf(label),
    ...(ignored ? { ignore: ignored } : {}),
    ...(task ? { task } : {}),
    ...(header ? { header: header === "yes" } : {}),
    ...(decimal ? { decimal } : {}),
  };
  return datasets.csv(path, options).catch((error: unknown) => {
    if (!(error instanceof FormatError)) throw error;
    throw new FormatError(forCommandLine(error.message), { cause: error });
  });
}

/** Grey images as LeNet-5's 28x28, others as 32x32; `channels` where a model has fixed them. */
async function readImages(path: string, channels?: 1 | 3, again = false): Promise<Dataset | TrainTest> {
  const side = lenet5Side(channels ?? 3);
  const read = await datasets.imageFolder(path, {
    size: [side, side],
    ...(channels ? { channels } : {}),
    // The second look at grey images has no more to say.
    onNotice: (text) => (again ? undefined : aside(text)),
  });
  const [depth] = "train" in read ? read.train.inputs.shape : read.inputs.shape;
  return channels === undefined && depth === 1 ? readImages(path, 1, true) : read;
}

function divided(whole: Dataset, seed: number): TrainTest {
  if (whole.count < 2)
    throw new DataError(`${whole.name}: has one sample; at least 2 are needed to train and test`);
  return divide(whole, seed);
}

export interface OwnTest {
  readonly recipe: Recipe;
  readonly test: Dataset;
  readonly title: string;
  /** The loss of a target value in the target's unit. */
  readonly explain?: (loss: number) => string;
}

/**
 * What to measure a saved model of own data on: all of the data that `flags` name, else what was held out of its own in
 * training. Undefined for models of published data.
 */
export async function ownTest(
  metadata: Readonly<Record<string, string>>,
  flags: OwnDataFlags & { readonly limit?: number },
  file: string,
): Promise<OwnTest | undefined> {
  const asked = sourceOf(flags);
  const text = metadata[MODEL_KEY];
  if (text === undefined) {
    if (asked)
      throw new ValueError(`${file}: was not trained with ${asked.option}; it can't be measured with it`);
    return undefined;
  }
  const model = parseOwnModel(text, file);
  const path = asked?.path ?? metadata.source;
  if (path === undefined)
    throw new ValueError(`${file}: does not say what it was trained on; name it with --csv or --images`);
  if (asked && (asked.option === "--csv") !== (model.kind === "table")) {
    throw new ValueError(`${file}: was trained on ${model.kind}; ${asked.option} does not fit`);
  }
  const whole =
    model.kind === "table"
      ? await readAlike(path, model, metadata, flags)
      : await readImages(path, channelsOf(model));
  const test = alignTo(asked ? everything(whole) : heldOut(whole, metadata, file), model);
  const { limit } = flags;
  const { targetStd } = model;
  // The loss is the squared error in units of the target's variance.
  const explain = (loss: number) =>
    ` (root mean square error ${((targetStd ?? 1) * Math.sqrt(loss)).toPrecision(3)})`;
  return {
    recipe: recipeOfOwnModel(model),
    test: limit === undefined ? test : subset(test, limit),
    title: path,
    ...(targetStd === undefined ? {} : { explain }),
  };
}

/** A table as the model's own was read, whatever its labels look like. */
function readAlike(
  path: string,
  model: OwnModel,
  { label, ignore, header, decimal }: Readonly<Record<string, string>>,
  flags: OwnDataFlags,
): Promise<Dataset> {
  const task = model.classNames === undefined ? "values" : "classes";
  return readTable(path, {
    ...(label ? { label } : {}),
    ...(ignore ? { ignore } : {}),
    ...(header === "yes" || header === "no" ? { header } : {}),
    ...(decimal === "." || decimal === "," ? { decimal } : {}),
    ...flags,
    task,
  });
}

const channelsOf = ({ inputShape }: OwnModel): 1 | 3 => (inputShape[0] === 1 ? 1 : 3);

/** The test part where the data come divided. */
const everything = (whole: Dataset | TrainTest): Dataset => ("train" in whole ? whole.test : whole);

function heldOut(
  whole: Dataset | TrainTest,
  metadata: Readonly<Record<string, string>>,
  file: string,
): Dataset {
  if ("train" in whole) return whole.test;
  const seed = Number(metadata.seed ?? 0);
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new ValueError(`${file}: says that its seed is ${metadata.seed}`);
  const { test } = divided(whole, seed);
  const samples = Number(metadata.testSamples ?? test.count);
  return samples > 0 && samples < test.count ? subset(test, samples) : test;
}
