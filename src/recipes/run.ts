/** From a recipe and what a user changes about it to what a trainer needs: the same for command line, page, tests and bench. */

import { ValueError } from "../common/errors.ts";
import { checkOptions, type OptionKinds } from "../common/options.ts";
import type { Dataset } from "../data/dataset.ts";
import type { TrainTest } from "../data/published/dataset-source.ts";
import type { FitOptions, TrainerOptions } from "../train/loop/options.ts";
import { type RecipeOptions, recipeOptions } from "./options.ts";
import { divided } from "./prepare.ts";
import type { Recipe } from "./recipe.ts";
import { optimizerOf, type UpdateRule, usualRates } from "./update-rule.ts";

const KEEP_BEST = { monitor: "valAccuracy", patience: Number.POSITIVE_INFINITY, restoreBest: true } as const;

/** What a user may change. Everything left out is the recipe's. */
export interface RecipeSettings extends Partial<UpdateRule> {
  /** Of start weights, shuffling, and of splits that the recipe makes. Default 0. */
  readonly seed?: number;
  /** Replaces the recipe's epochs or steps. */
  readonly epochs?: number;
  readonly steps?: number;
  readonly batchSize?: number;
  readonly options?: RecipeOptions;
}

const SETTINGS = {
  optimizer: "string",
  learningRate: "number",
  schedule: "string",
  warmUpSteps: "number",
  momentum: "number",
  betas: "array",
  weightDecay: "number",
  clipValue: "number",
  clipNorm: "number",
  accumulate: "number",
  averageDecay: "number",
  seed: "number",
  epochs: "number",
  steps: "number",
  batchSize: "number",
  options: "object",
} as const satisfies OptionKinds<RecipeSettings>;

export interface RecipeRun {
  readonly trainer: TrainerOptions;
  readonly fit: Pick<FitOptions, "epochs" | "steps" | "earlyStopping">;
  /** How weights are changed, in the end. */
  readonly rule: UpdateRule;
  readonly options: RecipeOptions;
}

/** Training and test set of a recipe out of what its data set's loader gives; none for recipes that bring their data. */
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

/** Options of the trainer and of its fit on `train`. Throws ValueError on settings that the recipe has no use for. */
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
    fit: { ...length, ...(recipe.keepBest ? { earlyStopping: KEEP_BEST } : {}) },
    rule,
    options,
  };
}

function lengthOf(recipe: Recipe, { epochs, steps }: RecipeSettings): Pick<FitOptions, "epochs" | "steps"> {
  if (steps !== undefined) return { steps };
  if (epochs !== undefined) return { epochs };
  return recipe.steps === undefined ? { epochs: recipe.epochs ?? 1 } : { steps: recipe.steps };
}

/** Another optimizer than the recipe's begins with its own usual values and not with the recipe's. */
function ruleOf(recipe: Recipe, settings: RecipeSettings): UpdateRule {
  const { optimizer = recipe.optimizer } = settings;
  const own = optimizer === recipe.optimizer;
  const base: UpdateRule = own
    ? recipe
    : {
        optimizer,
        learningRate: usualRates[optimizer],
        ...(recipe.schedule === undefined ? {} : { schedule: recipe.schedule }),
      };
  const picked = [
    "learningRate",
    "schedule",
    "warmUpSteps",
    "momentum",
    "betas",
    "weightDecay",
    "clipValue",
    "clipNorm",
    "accumulate",
    "averageDecay",
  ] as const;
  const values = picked.map((key) => [key, settings[key] ?? base[key]] as const);
  return {
    optimizer,
    learningRate: base.learningRate,
    ...Object.fromEntries(values.filter(([, value]) => value !== undefined)),
  };
}
