/** A run from its first step to its last: its events passed on and summed up. */
import type { History } from "../../../train/loop/events.ts";
import type { Trainer } from "../../../train/loop/trainer.ts";
import type { FitState } from "../../../train/state/fit-record.ts";
import type { Job } from "./job.ts";
import { checkpoints } from "./resuming.ts";
import type { Settings } from "./settings.ts";

/** Trains, passes the events on and sums them up. */
export async function follow(
  { recipe, flags, data, signal, reporter }: Job,
  trainer: Trainer,
  settings: Settings,
  resume: FitState | undefined,
) {
  const begun = performance.now();
  let firstStepSeconds: number | null = null;
  let history: History | undefined;
  const events = trainer.fit(data.train, {
    ...settings.fit,
    validation: data.test,
    signal,
    resume,
    ...checkpoints(flags),
  });
  for await (const event of events) {
    if (event.event === "progress") firstStepSeconds ??= performance.now() / 1000;
    if (event.event === "end") history = event.history;
    await reporter.event(event);
  }
  const seconds = (performance.now() - begun) / 1000;
  const { epochs = [], best, stopped } = history ?? {};
  const last = epochs.at(-1);
  // The weights of the best measurement are back; the last record may be of others.
  const restored =
    settings.fit.earlyStopping?.restoreBest && best !== undefined && best.step !== trainer.steps;
  const val = restored && !signal.aborted ? await trainer.evaluate(data.test, { signal }) : last?.val;
  const judged = !signal.aborted && recipe.goals.some(({ measure }) => measure.startsWith("train"));
  const ofTraining = judged ? await trainer.evaluate(data.train, { signal }) : undefined;
  const trainingSeconds = epochs.reduce((total, epoch) => total + epoch.seconds, 0);
  const { steps, submits } = trainer;
  const { program } = await trainer.trainProgram(data.train);
  return {
    history,
    ...(ofTraining === undefined ? {} : { trainLoss: ofTraining.loss }),
    ...(ofTraining?.accuracy === undefined ? {} : { trainAccuracy: ofTraining.accuracy }),
    testAccuracy: signal.aborted ? null : (val?.accuracy ?? null),
    testLoss: signal.aborted ? null : (val?.loss ?? null),
    steps,
    stepsPerSecond: steps / (trainingSeconds > 0 ? trainingSeconds : seconds),
    dispatchesPerStep: program.describe().dispatches,
    submits,
    firstStepSeconds,
    seconds,
    ...(best === undefined ? {} : { best }),
    ...(stopped === undefined ? {} : { stopped }),
  };
}
