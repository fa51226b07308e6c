/** All recipes by name. */
import { ValueError } from "../errors.ts";
import { lenet5Recipe } from "./lenet5.ts";
import { mlpRecipe } from "./mlp.ts";
import type { Recipe } from "./recipe.ts";

export { lenet5 } from "./lenet5.ts";
export { mlp } from "./mlp.ts";
export type { Recipe } from "./recipe.ts";

export const recipes: ReadonlyMap<string, Recipe> = new Map(
  [lenet5Recipe, mlpRecipe].map((r) => [r.name, r]),
);

/** The recipe called `name`; throws ValueError listing those there are. */
export function recipe(name: string): Recipe {
  const found = recipes.get(name);
  if (found === undefined) {
    throw new ValueError(`recipe: there is no ${name}; there are ${[...recipes.keys()].join(", ")}`);
  }
  return found;
}
