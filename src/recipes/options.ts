/** The options of recipes, which change the network or its data. A recipe lists those that it has; others are refused by name. */

import type { Tensor } from "../graph/tensor.ts";
import * as nn from "../nn/index.ts";
import { hardtanh } from "../ops/elementwise/activations.ts";
import { add, sub } from "../ops/elementwise/arithmetic.ts";
import { detach } from "../ops/elementwise/detach.ts";
import { sign } from "../ops/elementwise/math.ts";
import { ValueError } from "../validation/errors.ts";
import { checkChoice, checkOptions, type OptionKinds } from "../validation/options.ts";
import { type ActivationName, activationNames } from "./update-names.ts";

export interface RecipeOptions {
  /** Batch normalisation before every activation. */
  readonly batchNorm?: boolean;
  /** End the network in log-softmax with the negative log-likelihood as loss, instead of cross-entropy of logits. */
  readonly logSoftmax?: boolean;
  /** A bias for each output position of a convolution instead of one for each filter. */
  readonly biasPerPosition?: boolean;
  readonly activation?: ActivationName;
  /** Grey values as they are, or 1 from the middle of their range on and 0 below. */
  readonly pixels?: "grey" | "binary";
}

export type RecipeOption = keyof RecipeOptions;

export const RECIPE = {
  batchNorm: "boolean",
  logSoftmax: "boolean",
  biasPerPosition: "boolean",
  activation: activationNames,
  pixels: ["grey", "binary"],
} as const satisfies OptionKinds<RecipeOptions>;

/**
 * Activations by name. The gradient of `sign` is that of hardtanh (straight-through estimator, Bengio et al., 2013), because
 * its own derivative is 0 and the layers before it would not learn.
 */
export const activations = {
  relu: nn.relu,
  leakyRelu: () => nn.leakyRelu(),
  tanh: nn.tanh,
  hardtanh: () => nn.hardtanh(),
  sigmoid: nn.sigmoid,
  sign: () => straightThroughSign,
} as const satisfies Record<ActivationName, () => nn.Layer>;

function straightThroughSign(x: Tensor): Tensor {
  const through = hardtanh(x);
  return add(through, detach(sub(sign(x), through)));
}

export function activation(name: ActivationName | undefined, fallback: ActivationName): nn.Layer {
  if (name !== undefined) checkChoice("recipe", "activation", name, Object.keys(activations));
  return activations[name ?? fallback]();
}

/** The recipe's defaults with the given options. Throws ValueError on an option that the recipe does not have. */
export function recipeOptions(
  recipe: {
    readonly name: string;
    readonly options?: readonly RecipeOption[];
    readonly defaults?: RecipeOptions;
  },
  given: RecipeOptions,
): RecipeOptions {
  const { options = [], defaults = {} } = recipe;
  const set = Object.entries(given).filter(([, value]) => value !== undefined && value !== false);
  const unknown = set.find(([key]) => !options.includes(key as RecipeOption));
  if (unknown !== undefined) {
    const known = options.length > 0 ? `it has ${options.join(", ")}` : "it has none";
    throw new ValueError(`recipe ${recipe.name}: has no option ${unknown[0]}; ${known}`);
  }
  return { ...defaults, ...Object.fromEntries(set) };
}

/** The recipe options in a saved file's metadata. Throws ValueError on anything but a JSON object of such options. */
export function parseRecipeOptions(text: string | undefined, file: string): RecipeOptions {
  if (text === undefined) return {};
  try {
    return checkOptions(file, JSON.parse(text) as RecipeOptions, RECIPE);
  } catch {
    throw new ValueError(`${file}: its recipe options can't be read: ${text}`);
  }
}
