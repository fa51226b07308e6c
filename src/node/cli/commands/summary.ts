/** `weft summary`: the layers of a model, and the dispatches and memory of a training step on this device. */
import { existsSync } from "node:fs";
import type { Dataset } from "../../../data/dataset.ts";
import { sizeOf } from "../../../graph/spec.ts";
import { summary as summaryOf, summaryText } from "../../../nn/summary.ts";
import { recipe as recipeOf } from "../../../recipes/index.ts";
import type { RecipeOptions } from "../../../recipes/options.ts";
import type { Recipe } from "../../../recipes/recipe.ts";
import { recipeRun } from "../../../recipes/run.ts";
import { Trainer } from "../../../train/loop/trainer.ts";
import { readSavedModel } from "../data/saved-model.ts";
import { withDevice } from "../device-and-data.ts";
import type { DeviceFlags } from "../options/shared-options.ts";
import { megabytes } from "../output/format.ts";
import { print, printJson } from "../output/terminal.ts";

export interface SummaryFlags extends DeviceFlags {
  readonly batchSize?: number;
  readonly json?: true;
}

/** `what`: name of a recipe, or a saved file. */
export async function summary(what: string, flags: SummaryFlags): Promise<number> {
  const saved = existsSync(what) ? await readSavedModel(what) : undefined;
  const { recipe, options } = saved ?? { recipe: recipeOf(what), options: {} };
  const { batchSize = recipe.batchSize } = flags;
  const model = summaryOf(
    recipe.model(options),
    recipe.inputShape,
    recipe.inputs === "tokens" ? "i32" : "f32",
  );
  await withDevice({ backend: flags.backend }, async (backend) => {
    const samples = zeroSamples(recipe, batchSize, model.outputShape.slice(1), options);
    const { trainer: settings } = recipeRun(recipe, samples, { batchSize, options });
    const trainer = await Trainer.create(backend, settings);
    const { program } = await trainer.trainProgram(samples);
    const { dispatches, pipelines, stateBytes, slotBytes } = program.describe();
    const step = { batchSize, dispatches, pipelines, stateBytes, slotBytes, adapter: backend.adapter };
    if (flags.json) return printJson({ recipe: recipe.name, ...model, step });
    const [states, intermediates] = [stateBytes, slotBytes].map((n) => megabytes(n, n < 1e6 ? 2 : 1));
    print(
      `${recipe.title}. Samples of shape [${recipe.inputShape.join(", ")}], batch size N.`,
      "",
      ...summaryText(model).split("\n"),
      "",
      `A training step of ${batchSize} samples on ${backend.adapter}: ${dispatches} dispatches,`,
      `${states} of weights, optimizer states and data, ${intermediates} of intermediate results.`,
    );
  });
  return 0;
}

/** Samples of zeros with the shapes of the recipe's data. */
function zeroSamples(
  recipe: Recipe,
  count: number,
  output: readonly number[],
  options: RecipeOptions,
): Dataset {
  const { inputShape: shape, name } = recipe;
  const data = new (recipe.inputs === "tokens" ? Int32Array : Float32Array)(count * sizeOf(shape));
  const all = { name, split: "train", count, inputs: { data, shape } };
  if (recipe.loss(options).classes) {
    const classes = output.at(-1) ?? 1;
    // A model of sequences classifies each position.
    const labelShape = output.slice(0, -1);
    return { ...all, labels: new Int32Array(count * sizeOf(labelShape)), labelShape, classes };
  }
  return { ...all, labels: new Float32Array(count * sizeOf(output)), labelShape: output };
}
