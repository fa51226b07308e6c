/** Data for commands that need them only for what they look like: numbers of samples, shapes, types. */
import type { TrainTest } from "../../../data/published/dataset-source.ts";
import type { Recipe } from "../../../recipes/recipe.ts";
import { recipeData } from "../../../recipes/run.ts";
import { downloadProgress } from "../output/download-progress.ts";
import { chooseData } from "./published-data.ts";

export interface DataFlags {
  readonly dataset?: string;
  readonly dataDir?: string;
  readonly limit?: number;
}

/** The data that `weft train` would take: what they look like is part of the shapes. */
export async function dataFor(
  recipe: Recipe,
  { dataset, dataDir, limit }: DataFlags,
  signal: AbortSignal,
  notice: (line: string) => void,
): Promise<TrainTest> {
  if (dataset === undefined && recipe.data !== undefined) return recipe.data();
  const progress = downloadProgress();
  return chooseData(dataset, recipe.dataset, limit, {
    dataDir,
    signal,
    notice,
    prepare: (parts) => recipeData(recipe, parts),
    onProgress: progress.update,
  }).finally(progress.stop);
}
