/** The result of a training run: the last line of `--json`, from which the summary for people is made, too. */

import type { Recipe } from "../../../recipes/recipe.ts";
import type { History } from "../../../train/loop/events.ts";
import type { Trainer } from "../../../train/loop/trainer.ts";
import { defined } from "../../../validation/defined.ts";
import type { ChosenData } from "../data/published-data.ts";
import type { TrainFlags } from "../options/train-options.ts";
import type { Settings } from "./settings.ts";

export interface CompletedRun {
  readonly recipe: Recipe;
  readonly flags: TrainFlags;
  readonly data: ChosenData;
  readonly settings: Settings;
  readonly trainer: Trainer;
  readonly history: History | undefined;
  /** Where the model is saved, if there is anything to save. */
  readonly save: string;
  readonly signal: AbortSignal;
  /** From the start of the process until the first step was done and its loss read. */
  readonly firstStepSeconds: number | null;
  readonly seconds: number;
}

export type RunResult = Awaited<ReturnType<typeof resultOf>>;

/** Evaluates what the history does not have, and describes the run. */
export async function resultOf(run: CompletedRun) {
  const { recipe, flags, data, settings, trainer, history, save, signal, firstStepSeconds, seconds } = run;
  const interrupted = signal.aborted;
  const { epochs = [], best, stopped } = history ?? {};
  // With the weights of the best evaluation restored, the last record may be of other weights.
  const restored =
    settings.fit.earlyStopping?.restoreBest && best !== undefined && best.step !== trainer.steps;
  const test = restored && !interrupted ? await trainer.evaluate(data.test, { signal }) : epochs.at(-1)?.val;
  const hasTrainingGoal = recipe.goals.some(({ measure }) => measure.startsWith("train"));
  const train = hasTrainingGoal && !interrupted ? await trainer.evaluate(data.train, { signal }) : undefined;
  const trainingSeconds = epochs.reduce((total, epoch) => total + epoch.seconds, 0);
  const { steps, submits } = trainer;
  const { program } = await trainer.trainProgram(data.train);
  const { adapter, kind, software } = trainer.backend;
  const saved = steps > 0;
  return {
    event: "done" as const,
    recipe: recipe.name,
    optimizer: settings.rule.optimizer,
    learningRate: settings.rule.learningRate,
    // Of the whole training set with the saved weights, for recipes with a goal for it.
    ...defined({ trainLoss: train?.loss, trainAccuracy: train?.accuracy }),
    // null after an interruption: the saved weights have not been evaluated.
    testAccuracy: interrupted ? null : (test?.accuracy ?? null),
    testLoss: interrupted ? null : (test?.loss ?? null),
    steps,
    stepsPerSecond: steps / (trainingSeconds > 0 ? trainingSeconds : seconds),
    dispatchesPerStep: program.describe().dispatches,
    submits,
    firstStepSeconds,
    seconds,
    // The best evaluation and the reason of early stopping, if any.
    ...defined({ best, stopped }),
    ...(saved ? defined({ picture: flags.picture, report: flags.report }) : {}),
    adapter,
    backend: kind,
    software,
    dataset: data.name,
    sample: sampleNoun(recipe),
    // The loss of a model of characters in its other unit.
    ...(recipe.sample === undefined || interrupted
      ? {}
      : defined({ testBitsPerCharacter: test?.loss === undefined ? undefined : test.loss / Math.LN2 })),
    trainSamples: data.train.count,
    testSamples: data.test.count,
    seed: flags.seed,
    interrupted,
    file: saved ? save : null,
  };
}

export const sampleNoun = ({ inputShape, inputs }: Recipe) =>
  inputs === "tokens" ? "sequence" : inputShape.length === 1 ? "row" : "image";
