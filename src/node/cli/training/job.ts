/** What the parts of `weft train` work on. */

import type { CurveRun } from "../../../recipes/curves.ts";
import type { Recipe } from "../../../recipes/recipe.ts";
import type { Backend } from "../../../runtime/backend.ts";
import type { ChosenData } from "../data/published-data.ts";
import type { TrainFlags } from "../options/train-options.ts";
import type { Reporter } from "../output/reporters.ts";
import type { StoredRun } from "./run-folder.ts";

export interface Job {
  readonly recipe: Recipe;
  readonly flags: TrainFlags;
  /** The run that is resumed. */
  readonly stored: StoredRun | undefined;
  readonly save: string;
  readonly backend: Backend;
  readonly data: ChosenData;
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
  readonly notices: readonly string[];
  /** More for the saved file. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Runs to draw beside this one. */
  readonly compared: readonly CurveRun[];
}
