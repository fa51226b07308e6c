/** Turns a recipe and a user's settings into data, trainer options and fit options, for command line, pages, tests and benchmarks. */

import type { Dataset } from "../data/dataset.ts";
import type { TrainTest } from "../data/published/dataset-source.ts";
import type { FitOptions, TrainerOptions } from "../train/loop/options.ts";
import { defined } from "../validation/defined.ts";
import { ValueError } from "../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { type RecipeOptions, recipeOptions } from "./options.ts";
import { divided } from "./prepare.ts";
import type { Recipe } from "./recipe.ts";
import { defaultRates, optimizerOf, type UpdateRule } from "./update-rule.ts";

const KEEP_BEST = { monitor: "valAccuracy", patience: Number.POSITIVE_INFINITY, restoreBest: true } as const;

/** What a user may change. The default of each setting is the recipe's. */
export interface RecipeSettings extends Partial<UpdateRule> {
  /** Seed of initial weights, shuffling, and of splits that the recipe makes. Default 0. */
  readonly seed?: number;
  /** Replaces the recipe's epochs or steps. */
  readonly epochs?: number;
  readonly steps?: number;
  readonly batchSize?: number;
  readonly options?: RecipeOptions;
}

const RULE = {
  optimizer: "string",
  learningRate: "number",
  minLearningRate: "number",
  schedule: "string",
  warmUpSteps: "number",
  momentum: "number",
  betas: "array",
  weightDecay: "number",
  clipValue: "number",
  clipNorm: "number",
  accumulate: "number",
  averageDecay: "number",
} as const satisfies OptionKinds<UpdateRule>;

const SETTINGS = {
  ...RULE,
  seed: "number",
  epochs: "number",
  steps: "number",
  batchSize: "number",
  options: "object",
} as const satisfies OptionKinds<RecipeSettings>;

export interface RecipeRun {
  readonly trainer: TrainerOptions;
  readonly fit: Pick<FitOptions, "epochs" | "steps" | "earlyStopping" | "evaluateEvery">;
  /** The update rule that results from the recipe and the settings. */
  readonly rule: UpdateRule;
  readonly options: RecipeOptions;
}

/** Training and test set of a recipe, made from what its data set's loader returns; undefined for recipes with data of their own. */
export function recipeData(
  recipe: Recipe,
  data: Dataset | TrainTest | undefined,
  settings: RecipeSettings = {},
): TrainTest {
  const { seed = 0, options = {} } = checkOptions("recipeData", settings, SETTINGS);
  if (data === undefined) {
    if (recipe.data === undefined)
      throw new ValueError(`recipe ${recipe.name}: needs the data set ${recipe.dataset}`);
    return recipe.data();
  }
  const chosen = recipeOptions(recipe, options);
  return recipe.prepare?.(data, seed, chosen) ?? divided(data, seed);
}

/** Options of the trainer and of `fit` on `train`. Throws ValueError on options that the recipe does not have. */
export function recipeRun(recipe: Recipe, train: Dataset, settings: RecipeSettings = {}): RecipeRun {
  const { seed = 0, batchSize = recipe.batchSize } = checkOptions("recipeRun", settings, SETTINGS);
  const options = recipeOptions(recipe, settings.options ?? {});
  const perEpoch = Math.ceil(train.count / batchSize);
  const length = lengthOf(recipe, settings);
  const steps = length.steps ?? (length.epochs ?? 1) * perEpoch;
  const rule = ruleOf(recipe, settings);
  return {
    trainer: {
      model: recipe.model(options),
      loss: recipe.loss(options),
      optimizer: optimizerOf(rule, steps),
      batchSize,
      seed,
      ...(recipe.shuffle === false ? { shuffle: false } : {}),
      ...(recipe.transform === undefined ? {} : { transform: recipe.transform() }),
    },
    fit: {
      ...length,
      ...defined({ evaluateEvery: recipe.evaluateEvery }),
      ...(recipe.keepBest ? { earlyStopping: KEEP_BEST } : {}),
    },
    rule,
    options,
  };
}

function lengthOf(recipe: Recipe, { epochs, steps }: RecipeSettings): Pick<FitOptions, "epochs" | "steps"> {
  if (steps !== undefined) return { steps };
  if (epochs !== undefined) return { epochs };
  return recipe.steps === undefined ? { epochs: recipe.epochs ?? 1 } : { steps: recipe.steps };
}

/** An optimizer other than the recipe's starts from its own defaults, not from the recipe's values. */
function ruleOf(recipe: Recipe, settings: RecipeSettings): UpdateRule {
  const { optimizer = recipe.optimizer } = settings;
  const { schedule } = recipe;
  const others = { optimizer, learningRate: defaultRates[optimizer], ...(schedule && { schedule }) };
  const base: UpdateRule = optimizer === recipe.optimizer ? recipe : others;
  const keys = Object.keys(RULE) as (keyof UpdateRule)[];
  const values = keys.map((key) => [key, settings[key] ?? base[key]] as const);
  const set = Object.fromEntries(values.filter(([, value]) => value !== undefined));
  return { optimizer, learningRate: base.learningRate, ...set };
}
