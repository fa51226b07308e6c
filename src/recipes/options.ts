/**
 * Options that recipes share: variants of a network or its data that the five reports used. A recipe says which of them it
 * understands; others are refused by name.
 */
import { ValueError } from "../common/errors.ts";
import { checkChoice, type OptionKinds } from "../common/options.ts";
import type { Tensor } from "../graph/tensor.ts";
import * as nn from "../nn/index.ts";
import { hardtanh } from "../ops/elementwise/activations.ts";
import { add, sub } from "../ops/elementwise/arithmetic.ts";
import { detach } from "../ops/elementwise/detach.ts";
import { sign } from "../ops/elementwise/math.ts";
import type { ActivationName } from "./update-names.ts";

export interface RecipeOptions {
  /** Batch normalisation before every activation. */
  readonly batchNorm?: boolean;
  /** The network ends in log-softmax, and the loss is the negative log-likelihood. The same function, in two parts. */
  readonly logSoftmax?: boolean;
  /** One bias per output position of a convolution in place of one per filter. */
  readonly biasPerPosition?: boolean;
  readonly activation?: ActivationName;
  /** Grey values, or 1 from the middle of their range on and 0 below. */
  readonly pixels?: "grey" | "binary";
}

export type RecipeOption = keyof RecipeOptions;

export const RECIPE = {
  batchNorm: "boolean",
  logSoftmax: "boolean",
  biasPerPosition: "boolean",
  activation: "string",
  pixels: ["grey", "binary"],
} as const satisfies OptionKinds<RecipeOptions>;

/**
 * Activations by name. `sign` passes gradients on as hardtanh does (straight-through estimator, Bengio et al., 2013): its
 * own slope is 0 wherever there is one, and nothing before it would learn.
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

/** The layer that applies `name`, or `preferred` if there is none. */
export function activation(name: ActivationName | undefined, preferred: ActivationName): nn.Layer {
  if (name !== undefined) checkChoice("recipe", "activation", name, Object.keys(activations));
  return activations[name ?? preferred]();
}

/** What is set in `options`, over the recipe's own; throws ValueError on what the recipe does not understand. */
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
  const odd = set.find(([key]) => !options.includes(key as RecipeOption));
  if (odd !== undefined) {
    const known = options.length > 0 ? `it has ${options.join(", ")}` : "it has none";
    throw new ValueError(`recipe ${recipe.name}: has no option ${odd[0]}; ${known}`);
  }
  return { ...defaults, ...Object.fromEntries(set) };
}

/** Options of a saved run, as its file's metadata has them. Throws ValueError on anything but such an object. */
export function parseRecipeOptions(text: string | undefined, file: string): RecipeOptions {
  if (text === undefined) return {};
  const fail = () => new ValueError(`${file}: its recipe options can't be read: ${text}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw fail();
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw fail();
  for (const [key, item] of Object.entries(value)) {
    const known = (KNOWN as Readonly<Record<string, ((item: unknown) => boolean) | undefined>>)[key];
    if (known?.(item) !== true) throw fail();
  }
  return value as RecipeOptions;
}

const isSwitch = (item: unknown) => typeof item === "boolean";

/** What each option may be. */
const KNOWN: Readonly<Record<RecipeOption, (item: unknown) => boolean>> = {
  batchNorm: isSwitch,
  logSoftmax: isSwitch,
  biasPerPosition: isSwitch,
  activation: (item) => typeof item === "string" && Object.hasOwn(activations, item),
  pixels: (item) => item === "grey" || item === "binary",
};
