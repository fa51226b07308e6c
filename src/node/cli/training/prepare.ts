/** Device and data of a run, opened and loaded at the same time. */

import type { Recipe } from "../../../recipes/recipe.ts";
import { recipeData } from "../../../recipes/run.ts";
import type { Backend } from "../../../runtime/backend.ts";
import { openDevice } from "../../device/open-device.ts";
import { type ChosenData, chooseData } from "../data/published-data.ts";
import type { TrainFlags } from "../options/train-options.ts";
import { downloadProgress } from "../output/download-progress.ts";
import type { Reporter } from "../output/reporters.ts";
import { deviceFor, expectFits, variantsOf } from "./recipe-run.ts";

/** Where one of the two fails, the other is let go. `notice` hears what was found of devices. */
export async function prepare(
  recipe: Recipe,
  flags: TrainFlags,
  signal: AbortSignal,
  reporter: Reporter,
  notice: (text: string) => void,
  own: ChosenData | undefined,
): Promise<{ backend: Backend; data: ChosenData }> {
  const failed = new AbortController();
  const opening = openDevice({ ...deviceFor(recipe, flags), onNotice: notice });
  opening.catch((reason: unknown) => failed.abort(reason));
  const progress = downloadProgress();
  const chosen = own
    ? Promise.resolve(own)
    : chooseData(flags.dataset, recipe.dataset, flags.limit, {
        dataDir: flags.dataDir,
        prepare: (parts) => recipeData(recipe, parts, { seed: flags.seed, options: variantsOf(flags) }),
        signal: AbortSignal.any([signal, failed.signal]),
        onProgress: progress.update,
        notice: (text) => reporter.notice(text),
      });
  const fitting = chosen.then((data) => {
    expectFits(recipe, data.train);
    return data;
  });
  const loading = fitting.finally(progress.stop);
  const [opened, loaded] = await Promise.allSettled([opening, loading]);
  if (opened.status === "fulfilled" && loaded.status === "fulfilled" && !signal.aborted) {
    return { backend: opened.value, data: loaded.value };
  }
  if (opened.status === "fulfilled") await opened.value.close();
  signal.throwIfAborted();
  throw [opened, loaded].find((result) => result.status === "rejected")?.reason;
}
