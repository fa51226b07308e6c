/** Rebuilds the model of a saved file, with what the file says of its inputs. Metadata is untrusted and checked here. */

import type { SampleArray } from "../../../data/lazy-inputs.ts";
import { readSafetensors } from "../../../io/safetensors.ts";
import type { Loss } from "../../../nn/loss.ts";
import { sgd } from "../../../optim/index.ts";
import { recipe as recipeOf } from "../../../recipes/index.ts";
import { parseRecipeOptions, type RecipeOptions } from "../../../recipes/options.ts";
import { type OwnModel, parseOwnModel, recipeOfOwnModel } from "../../../recipes/own-data.ts";
import type { Recipe } from "../../../recipes/recipe.ts";
import type { Backend } from "../../../runtime/backend.ts";
import { Trainer } from "../../../train/loop/trainer.ts";
import type { Metric } from "../../../train/metrics/metrics.ts";
import { defined } from "../../../validation/defined.ts";
import { FormatError, ValueError } from "../../../validation/errors.ts";
import { quote } from "../../../validation/printable.ts";
import { nodeFiles } from "../../device/open-device.ts";

/** Metadata key of the description of a model for the user's own data. */
export const OWN_MODEL_KEY = "ownModel";
/** Metadata key of the description of a language model. */
export const LANGUAGE_MODEL_KEY = "languageModel";

/** How stored samples become numbers: `value * scale + offset`. */
export interface ModelInputs extends Pick<SampleArray, "shape" | "scale" | "offset"> {
  readonly classNames?: readonly string[];
}

export interface SavedModel {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
  readonly recipe: Recipe;
  readonly options: RecipeOptions;
  readonly loss: Loss;
  /** Of a model for the user's own data. */
  readonly own: OwnModel | undefined;
}

/** Throws FormatError or ValueError, naming the file, where it does not say which model it holds. */
export async function readSavedModel(file: string, recipeName?: string): Promise<SavedModel> {
  const bytes = await nodeFiles.read(file);
  const { metadata } = readSafetensors(bytes, { name: file });
  const text = metadata[OWN_MODEL_KEY];
  const name = recipeName ?? metadata.recipe;
  if (text === undefined && name === undefined)
    throw new ValueError(`${file}: does not name its recipe; name it, as in --recipe lenet5`);
  const own = text === undefined ? undefined : parseOwnModel(text, file);
  const recipe = own === undefined ? recipeOf(name as string) : recipeOfOwnModel(own);
  const options = parseRecipeOptions(metadata.options, file);
  return { file, bytes, metadata, recipe, options, loss: recipe.loss(options), own };
}

/** A trainer with the saved weights, for evaluation and prediction. */
export async function openSavedModel(
  backend: Backend,
  { file, bytes, recipe, options, loss }: SavedModel,
  settings: { readonly batchSize: number; readonly metrics?: readonly Metric[] },
): Promise<Trainer> {
  // Nothing is trained; sgd without momentum has no states that the file would have to hold.
  const optimizer = sgd({ learningRate: 0 });
  const trainer = await Trainer.create(backend, {
    model: recipe.model(options),
    loss,
    optimizer,
    ...settings,
  });
  await trainer.fromSafetensors(bytes, file);
  return trainer;
}

/** How images become the model's input, and the names of its classes. */
export function inputsOf({ file, metadata, recipe, own }: SavedModel): ModelInputs {
  const { classNames } = metadata;
  const names = own?.classNames ?? (classNames === undefined ? undefined : namesOf(classNames, file));
  const scale = numberOf(file, "input scale", metadata.inputScale) ?? 1 / 255;
  const offset = numberOf(file, "input offset", metadata.inputOffset) ?? 0;
  return { shape: recipe.inputShape, scale, offset, ...defined({ classNames: names }) };
}

/** A number of the metadata, a whole number of at least 0 where `kind` says so. Undefined where the file lacks it. */
export function numberOf(
  file: string,
  what: string,
  text: string | undefined,
  kind: "any" | "whole" = "any",
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  const valid =
    kind === "any"
      ? text.trim() !== "" && Number.isFinite(value)
      : /^\d+$/.test(text) && Number.isSafeInteger(value);
  if (!valid) throw new FormatError(`${file}: its metadata give ${what} as ${quote(text)}`);
  return value;
}

function namesOf(text: string, file: string): string[] {
  try {
    const names: unknown = JSON.parse(text);
    if (Array.isArray(names) && names.every((name) => typeof name === "string")) return names;
  } catch {
    // The error below covers text that is not JSON too.
  }
  throw new FormatError(`${file}: its metadata give class names as ${quote(text)}`);
}
