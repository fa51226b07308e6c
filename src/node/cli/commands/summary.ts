/** `weft summary`: the layers of a model, and what a training step of it takes on this device. */
import { existsSync } from "node:fs";
import type { Dataset } from "../../../data/dataset.ts";
import { sizeOf } from "../../../graph/spec.ts";
import { summary as summaryOf, summaryText } from "../../../nn/summary.ts";
import { recipe as recipeOf } from "../../../recipes/index.ts";
import type { RecipeOptions } from "../../../recipes/options.ts";
import type { Recipe } from "../../../recipes/recipe.ts";
import { recipeRun } from "../../../recipes/run.ts";
import { Trainer } from "../../../train/loop/trainer.ts";
import { openDevice } from "../../device/open-device.ts";
import { readSavedModel } from "../data/saved-model.ts";
import type { DeviceFlags } from "../options/device-options.ts";
import { say, sayJson } from "../output/terminal.ts";

export interface SummaryFlags extends DeviceFlags {
  readonly batchSize?: number;
  readonly json?: true;
}

/** `what`: name of a recipe, or a saved file. */
export async function summary(what: string, flags: SummaryFlags): Promise<number> {
  const saved = existsSync(what) ? await readSavedModel(what) : undefined;
  const recipe = saved?.recipe ?? recipeOf(what);
  const options = saved?.options ?? {};
  const { batchSize = recipe.batchSize } = flags;
  const model = summaryOf(recipe.model(options), recipe.inputShape);
  const backend = await openDevice({ backend: flags.backend });
  try {
    const samples = blank(recipe, batchSize, model.outputShape.slice(1), options);
    const { trainer: settings } = recipeRun(recipe, samples, { batchSize, options });
    const trainer = await Trainer.create(backend, settings);
    const { program } = await trainer.trainProgram(samples);
    const { dispatches, pipelines, stateBytes, slotBytes } = program.describe();
    const step = { batchSize, dispatches, pipelines, stateBytes, slotBytes, adapter: backend.adapter };
    if (flags.json) sayJson({ recipe: recipe.name, ...model, step });
    else {
      say(
        `${recipe.title}. Samples of [${recipe.inputShape.join(", ")}], N in a batch.`,
        "",
        ...summaryText(model).split("\n"),
        "",
      );
      say(`A training step of ${batchSize} samples on ${backend.adapter}: ${dispatches} dispatches,`);
      say(`${megabytes(stateBytes)} of weights, optimizer and data, ${megabytes(slotBytes)} in between.`);
    }
    return 0;
  } finally {
    await backend.close();
  }
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(bytes < 1e6 ? 2 : 1)} MB`;

/** A batch of nothing in the form of the recipe's data. */
function blank(recipe: Recipe, count: number, output: readonly number[], options: RecipeOptions): Dataset {
  const { inputShape: shape, name } = recipe;
  const inputs = { data: new Float32Array(count * sizeOf(shape)), shape };
  const all = { name, split: "train", count, inputs };
  if (recipe.loss(options).classes)
    return { ...all, labels: new Int32Array(count), classes: output.at(-1) ?? 1 };
  return { ...all, labels: new Float32Array(count * sizeOf(output)), labelShape: output };
}
