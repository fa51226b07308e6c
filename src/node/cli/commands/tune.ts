/** `weft tune`: times the kernels of a recipe's training step on this adapter, prints a table, and stores the fastest. */
import { recipe as recipeOf } from "../../../recipes/index.ts";
import { recipeRun } from "../../../recipes/run.ts";
import { Trainer } from "../../../train/loop/trainer.ts";
import { expectDataset, trainingData } from "../data/published-data.ts";
import { withDevice } from "../device-and-data.ts";
import { interruptSignal } from "../interrupt.ts";
import type { DataFlags } from "../options/shared-options.ts";
import { overwrite, print, printError } from "../output/terminal.ts";
import { jsonTuning, tuningTable } from "../output/tuning-output.ts";

export interface TuneFlags extends DataFlags {
  readonly batchSize?: number;
  readonly clear?: true;
  readonly json?: true;
}

export async function tune(name: string, flags: TuneFlags): Promise<number> {
  const signal = interruptSignal();
  const recipe = recipeOf(name);
  if (flags.dataset !== undefined) expectDataset(flags.dataset);
  await withDevice({ backend: "webgpu" }, async (backend) => {
    const notice = flags.json ? printError : print;
    const { train } = await trainingData(recipe, flags, { signal, notice });
    const { batchSize = recipe.batchSize } = flags;
    const { trainer: options } = recipeRun(recipe, train, { batchSize });
    const onEvent = flags.json ? jsonTuning : tuningTable();
    const renew = flags.clear === true;
    const trainer = await Trainer.create(backend, { ...options, tune: { renew, signal, onEvent } });
    if (!flags.json)
      print(`Tuning a training step of ${recipe.name}, batch size ${batchSize}, on ${backend.adapter}.`);
    await trainer.trainProgram(train);
  }).finally(() => {
    if (!flags.json) overwrite("");
  });
  return 0;
}
