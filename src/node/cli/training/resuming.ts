/** A run folder begun, or gone on with: which checkpoints are written, which one is taken up, what the user is told. */

import type { FitOptions } from "../../../train/loop/options.ts";
import type { Trainer } from "../../../train/loop/trainer.ts";
import { resumeFrom } from "../../../train/state/checkpoint-folder.ts";
import type { FitState } from "../../../train/state/fit-record.ts";
import type { TrainFlags } from "../options/train-options.ts";
import { count } from "../output/format.ts";
import type { Job } from "./job.ts";
import { checkpointFolder, expectSameData, writeRun } from "./run-folder.ts";
import type { Settings } from "./settings.ts";

const CHECKPOINT_SECONDS = 5;

/** Begins a run folder, or loads what the stored run's last sound checkpoint has. */
export async function takeUp(
  { recipe, flags, stored, data, reporter }: Job,
  trainer: Trainer,
  { fit: { epochs } }: Settings,
): Promise<FitState | undefined> {
  const { run: folder } = flags;
  if (folder === undefined) return undefined;
  const { adapter } = trainer.backend;
  if (stored === undefined) {
    await writeRun(folder, recipe.name, flags, data, { run: trainer.runId, adapter });
    return undefined;
  }
  expectSameData(folder, stored.file, data);
  if (stored.file.adapter !== adapter) {
    reporter.notice(
      `The run began on ${stored.file.adapter} and goes on on ${adapter}: as good, but not the same to the last bit.`,
    );
  }
  const passedOver = (_: string, reason: string) =>
    reporter.notice(`${reason}. Using the checkpoint before it.`);
  const state = await resumeFrom(trainer, checkpointFolder(folder), passedOver, stored.file.run);
  if (state === undefined) reporter.notice("The run has no checkpoint yet; it begins anew.");
  else {
    const of = epochs === undefined ? "" : `of ${count(epochs)} `;
    reporter.notice(
      `Going on after step ${count(state.step)}, ${count(state.epochs.length)} ${of}epochs done.`,
    );
    reporter.resume?.(state);
  }
  return state;
}

/** Where and when checkpoints are written; none without a run folder. */
export function checkpoints(flags: TrainFlags): Pick<FitOptions, "checkpoints"> {
  const {
    run: folder,
    checkpointEvery: everySeconds = CHECKPOINT_SECONDS,
    checkpointSteps,
    keep = 3,
  } = flags;
  if (folder === undefined) return {};
  const everySteps = checkpointSteps === undefined ? {} : { everySteps: checkpointSteps };
  return {
    checkpoints: { directory: checkpointFolder(folder), everySeconds, everyEpochs: 1, ...everySteps, keep },
  };
}
