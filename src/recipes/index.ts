/** All recipes by name, and the networks and functions of recipes that are public: `import { recipes } from "weft"`. */
import { ValueError } from "../validation/errors.ts";
import { additionRecipe } from "./addition.ts";
import { bostonRecipes } from "./boston.ts";
import { cifar10VggRecipe } from "./cifar10-vgg.ts";
import { digitsRecipes } from "./digits.ts";
import { shakespeareRecipes } from "./gpt-shakespeare.ts";
import { lenet5BestRecipe, lenet5Cifar10Recipe, lenet5FashionRecipe, lenet5Recipe } from "./lenet5.ts";
import { mlpRecipe } from "./mlp.ts";
import { mnistSmallRecipe } from "./mnist-small.ts";
import type { Recipe } from "./recipe.ts";
import { uspsRecipe } from "./usps.ts";
import { workedExampleRecipe } from "./worked-example.ts";

export { vgg } from "./cifar10-vgg.ts";
export { type CurveRecord, type CurveRun, curvePicture } from "./curves.ts";
export { PositionBias } from "./digits.ts";
export { type LeastSquares, leastSquares } from "./least-squares.ts";
export { lenet5 } from "./lenet5.ts";
export { mlp } from "./mlp.ts";
export { activations, type RecipeOption, type RecipeOptions } from "./options.ts";
export type {
  Demonstration,
  DemonstrationOptions,
  FinishedRun,
  Goal,
  Measure,
  PictureMaker,
  Recipe,
} from "./recipe.ts";
export { type RecipeRun, type RecipeSettings, recipeData, recipeRun } from "./run.ts";
export { type ActivationName, activationNames } from "./update-names.ts";
export {
  type OptimizerName,
  optimizerNames,
  type ScheduleName,
  scheduleNames,
  type UpdateRule,
} from "./update-rule.ts";

export const recipes: ReadonlyMap<string, Recipe> = new Map(
  [
    workedExampleRecipe,
    uspsRecipe,
    mnistSmallRecipe,
    lenet5Recipe,
    lenet5BestRecipe,
    lenet5Cifar10Recipe,
    cifar10VggRecipe,
    lenet5FashionRecipe,
    mlpRecipe,
    ...bostonRecipes,
    ...digitsRecipes,
    ...shakespeareRecipes,
    additionRecipe,
  ].map((r) => [r.name, r]),
);

/** The recipe called `name`. Throws ValueError, with the names that exist, where there is none. */
export function recipe(name: string): Recipe {
  const found = recipes.get(name);
  if (found === undefined) {
    throw new ValueError(`recipe: there is no ${name}; there are ${[...recipes.keys()].join(", ")}`);
  }
  return found;
}
