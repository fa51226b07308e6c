/**
 * The user's own data: `--csv FILE --label COLUMN` and `--images FOLDER`, divided 80 to 20, and the recipe that fits them.
 * The saved model records the source and how it was read; `weft eval` evaluates the held-out part again, or another file.
 */

import { type Dataset, subset } from "../../../data/dataset.ts";
import { alignTo } from "../../../data/prepare/align.ts";
import type { TrainTest } from "../../../data/published/dataset-source.ts";
import { lenet5Side, type OwnModel, recipeForOwnData } from "../../../recipes/own-data.ts";
import { divided } from "../../../recipes/prepare.ts";
import type { Recipe } from "../../../recipes/recipe.ts";
import { defined } from "../../../validation/defined.ts";
import { DataError, FormatError, ValueError } from "../../../validation/errors.ts";
import { datasets } from "../../datasets.ts";
import type { OwnDataFlags } from "../options/shared-options.ts";
import { printError } from "../output/terminal.ts";
import { type ChosenData, limited, withOptionNames } from "./published-data.ts";
import { numberOf, OWN_MODEL_KEY, type SavedModel } from "./saved-model.ts";

export interface OwnData {
  readonly recipe: Recipe;
  readonly data: ChosenData;
  /** For the saved file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The data that `flags` name and their recipe; undefined if they name none. Throws ValueError on contradicting flags. */
export async function ownData(
  flags: OwnDataFlags & { readonly dataset?: string; readonly seed: number; readonly limit?: number },
): Promise<OwnData | undefined> {
  const { csv, label, ignore, header, decimal, seed, limit } = flags;
  const source = sourceOf(flags);
  if (source === undefined) return undefined;
  if (flags.dataset !== undefined) throw new ValueError(`--dataset and ${source.option} can't both be given`);
  const whole = csv === undefined ? await readImages(source.path) : await readTable(csv, flags);
  const { train, test } = limited(partsOf(whole, seed), limit);
  const { recipe, model } = recipeForOwnData(train);
  const origin = defined({ source: source.path, label, ignore, header, decimal });
  return {
    recipe,
    data: { name: recipe.name, title: source.path, train, test },
    metadata: { [OWN_MODEL_KEY]: JSON.stringify(model), ...origin },
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

/** A column by its name, or by its number from 0 where the text is a number. */
const columnOf = (label: string) => (/^-?\d+$/.test(label) ? Number(label) : label);

async function readTable(
  path: string,
  { label, ignore, task, header, decimal }: OwnDataFlags,
): Promise<Dataset> {
  if (label === undefined)
    throw new ValueError("--csv needs --label COLUMN: the column to predict, by name or by number from 0");
  const options = {
    label: columnOf(label),
    ignore: ignore?.split(",").map((column) => columnOf(column.trim())),
    task,
    header: header && header === "yes",
    decimal,
  };
  return datasets.csv(path, defined(options)).catch((error: unknown) => {
    if (!(error instanceof FormatError)) throw error;
    throw new FormatError(withOptionNames(error.message), { cause: error });
  });
}

/** Grey images at LeNet-5's 28x28, others at 32x32; `channels` where a model has fixed them. */
async function readImages(path: string, channels?: 1 | 3, again = false): Promise<Dataset | TrainTest> {
  const side = lenet5Side(channels ?? 3);
  const read = await datasets.imageFolder(path, {
    size: [side, side],
    ...(channels ? { channels } : {}),
    // The second pass, for grey images, would repeat the notices of the first.
    onNotice: (text) => (again ? undefined : printError(text)),
  });
  const [depth] = "train" in read ? read.train.inputs.shape : read.inputs.shape;
  return channels === undefined && depth === 1 ? readImages(path, 1, true) : read;
}

/** What is not divided yet, 80 to 20 in the proportions of the classes. */
function partsOf(whole: Dataset | TrainTest, seed: number): TrainTest {
  if ("count" in whole && whole.count < 2)
    throw new DataError(`${whole.name}: has one sample; at least 2 are needed to train and test`);
  return divided(whole, seed);
}

export interface OwnTest {
  readonly test: Dataset;
  readonly title: string;
  /** A loss as the root mean square error in the unit of the target. */
  readonly explain?: (loss: number) => string;
}

/**
 * Test data for a saved model of own data: all data that `flags` name, else the part held out in training. Undefined for
 * models of published data.
 */
export async function ownTest(
  { file, own: model, metadata }: SavedModel,
  flags: OwnDataFlags & { readonly limit?: number },
): Promise<OwnTest | undefined> {
  const named = sourceOf(flags);
  if (model === undefined) {
    if (named)
      throw new ValueError(`${file}: was not trained with ${named.option}; it can't be evaluated with it`);
    return undefined;
  }
  const path = named?.path ?? metadata.source;
  if (path === undefined)
    throw new ValueError(`${file}: does not say what it was trained on; name it with --csv or --images`);
  if (named && (named.option === "--csv") !== (model.kind === "table"))
    throw new ValueError(`${file}: was trained on ${model.kind}; ${named.option} does not fit`);
  const whole =
    model.kind === "table"
      ? await readAlike(path, model, metadata, flags)
      : await readImages(path, model.inputShape[0] === 1 ? 1 : 3);
  const test = alignTo(named ? testPart(whole) : heldOut(whole, metadata, file), model);
  const { limit } = flags;
  const { targetStd } = model;
  // The loss is the squared error in units of the target's variance.
  const explain = (loss: number) =>
    ` (root mean square error ${((targetStd ?? 1) * Math.sqrt(loss)).toPrecision(3)})`;
  return {
    test: limit === undefined ? test : subset(test, limit),
    title: path,
    ...(targetStd === undefined ? {} : { explain }),
  };
}

/** Reads a table with the settings of the training data, whatever its own columns look like. */
function readAlike(
  path: string,
  model: OwnModel,
  { label, ignore, header, decimal }: SavedModel["metadata"],
  flags: OwnDataFlags,
): Promise<Dataset> {
  const stored = {
    label,
    ignore,
    header: header === "yes" || header === "no" ? header : undefined,
    decimal: decimal === "." || decimal === "," ? decimal : undefined,
  } as const;
  const task = model.classNames === undefined ? "values" : "classes";
  return readTable(path, { ...defined(stored), ...flags, task });
}

const testPart = (whole: Dataset | TrainTest): Dataset => ("train" in whole ? whole.test : whole);

function heldOut(whole: Dataset | TrainTest, metadata: SavedModel["metadata"], file: string): Dataset {
  if ("train" in whole) return whole.test;
  const { test } = partsOf(whole, numberOf(file, "seed", metadata.seed, "whole") ?? 0);
  const samples = Number(metadata.testSamples ?? test.count);
  return samples > 0 && samples < test.count ? subset(test, samples) : test;
}
