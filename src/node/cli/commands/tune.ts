/** `weft tune`: times the kernels of a recipe's training step on this adapter, shows a table, keeps what it found. */
import { recipe as recipeOf } from "../../../recipes/index.ts";
import { recipeRun } from "../../../recipes/run.ts";
import { Trainer } from "../../../train/loop/trainer.ts";
import { openDevice } from "../../device/open-device.ts";
import { expectDataset } from "../data/published-data.ts";
import { dataFor } from "../data/recipe-data.ts";
import { interruptSignal } from "../interrupt.ts";
import { humanTuneReport, jsonTuneReport } from "../output/tuning-output.ts";

export interface TuneFlags {
  readonly dataset?: string;
  readonly dataDir?: string;
  readonly batchSize?: number;
  readonly limit?: number;
  readonly clear?: true;
  readonly json?: true;
}

export async function tune(name: string, flags: TuneFlags): Promise<number> {
  const signal = interruptSignal();
  const recipe = recipeOf(name);
  if (flags.dataset !== undefined) expectDataset(flags.dataset);
  const report = flags.json ? jsonTuneReport() : humanTuneReport();
  const backend = await openDevice({ backend: "webgpu" });
  try {
    const { train } = await dataFor(recipe, flags, signal, report.notice);
    const { batchSize } = flags;
    const { trainer: options } = recipeRun(recipe, train, batchSize === undefined ? {} : { batchSize });
    const renew = flags.clear === true;
    const trainer = await Trainer.create(backend, {
      ...options,
      tune: { renew, signal, onEvent: report.event },
    });
    report.begin({ recipe: recipe.name, batchSize: options.batchSize, adapter: backend.adapter });
    await trainer.trainProgram(train);
  } finally {
    report.close();
    await backend.close();
  }
  return 0;
}
