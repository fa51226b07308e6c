/** A saved file's model rebuilt, and what the file says of the samples that it takes. */

import { FormatError, ValueError } from "../../../common/errors.ts";
import type { SampleArray } from "../../../data/lazy-inputs.ts";
import { readSafetensors } from "../../../io/safetensors.ts";
import { recipe as recipeOf } from "../../../recipes/index.ts";
import { parseRecipeOptions, type RecipeOptions } from "../../../recipes/options.ts";
import { parseOwnModel, recipeOfOwnModel } from "../../../recipes/own-data.ts";
import type { Recipe } from "../../../recipes/recipe.ts";
import { nodeFiles } from "../../device/open-device.ts";

/** How samples become numbers: `value * scale + offset`. */
export interface ModelInputs extends Pick<SampleArray, "shape" | "scale" | "offset"> {
  readonly classNames?: readonly string[];
}

export interface SavedModel {
  readonly bytes: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
  readonly recipe: Recipe;
  readonly options: RecipeOptions;
  readonly inputs: ModelInputs;
}

/** Throws FormatError or ValueError, naming the file, where it does not say which model it holds. */
export async function readSavedModel(file: string, named?: string): Promise<SavedModel> {
  const bytes = await nodeFiles.read(file);
  const { metadata } = readSafetensors(bytes, { name: file });
  const { ownModel } = metadata;
  const name = named ?? metadata.recipe;
  if (ownModel === undefined && name === undefined) {
    throw new ValueError(`${file}: does not say of which recipe it is; name it, as in --recipe lenet5`);
  }
  const own = ownModel === undefined || named !== undefined ? undefined : parseOwnModel(ownModel, file);
  const recipe = own === undefined ? recipeOf(name as string) : recipeOfOwnModel(own);
  const options = parseRecipeOptions(metadata.options, file);
  const names = own?.classNames === undefined ? {} : { classNames: own.classNames };
  return { bytes, metadata, recipe, options, inputs: { ...inputsOf(recipe, metadata, file), ...names } };
}

function inputsOf({ inputShape }: Recipe, metadata: SavedModel["metadata"], file: string): ModelInputs {
  const numberOf = (key: string, text: string) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value))
      throw new FormatError(`${file}: says that its ${key} is ${text}`);
    return value;
  };
  const { inputScale = String(1 / 255), inputOffset = "0", classNames } = metadata;
  return {
    shape: inputShape,
    scale: numberOf("input scale", inputScale),
    offset: numberOf("input offset", inputOffset),
    ...(classNames === undefined ? {} : { classNames: namesOf(classNames, file) }),
  };
}

function namesOf(text: string, file: string): string[] {
  try {
    const names: unknown = JSON.parse(text);
    if (Array.isArray(names) && names.every((name) => typeof name === "string")) return names;
  } catch {
    // Said below.
  }
  throw new FormatError(`${file}: says that its classes are ${text}`);
}
