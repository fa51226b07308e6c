/** Converts a recipe, its data and the flags of the command line to the options of the trainer and its `fit`. */

import type { Dataset } from "../../../data/dataset.ts";
import { formatShape, sameShape } from "../../../graph/spec.ts";
import type { Loss } from "../../../nn/loss.ts";
import type { RecipeOptions } from "../../../recipes/options.ts";
import type { Recipe } from "../../../recipes/recipe.ts";
import { type RecipeRun, recipeRun } from "../../../recipes/run.ts";
import type { EarlyStoppingOptions } from "../../../train/loop/early-stopping.ts";
import type { FitOptions, TrainerOptions } from "../../../train/loop/options.ts";
import { classification, type Metric, regression } from "../../../train/metrics/metrics.ts";
import { defined } from "../../../validation/defined.ts";
import { ValueError } from "../../../validation/errors.ts";
import type { OpenOptions } from "../../device/open-device.ts";
import type { TrainFlags } from "../options/train-options.ts";

export interface Settings {
  readonly trainer: TrainerOptions;
  /** Without signal, checkpoints and validation set. */
  readonly fit: FitOptions;
  readonly rule: RecipeRun["rule"];
  readonly options: RecipeOptions;
}

/** Measures that every run has; the others need metrics. */
const ALWAYS_MEASURED = ["loss", "valLoss", "accuracy", "valAccuracy"];

/** Throws ValueError on flags that contradict each other or do not apply to the recipe. */
export function settingsOf(recipe: Recipe, train: Dataset, flags: TrainFlags): Settings {
  if (flags.epochs !== undefined && flags.steps !== undefined)
    throw new ValueError("--epochs and --steps: give one of them");
  const { seed, epochs, steps, batchSize, optimizer, schedule, momentum, weightDecay } = flags;
  const { clipNorm, clipValue, accumulate, conv, evaluateEvery } = flags;
  const given = defined({
    ...{ seed, epochs, steps, batchSize, optimizer, schedule, momentum, weightDecay },
    ...{ clipNorm, clipValue, accumulate },
    learningRate: flags.lr,
    warmUpSteps: flags.warmup,
    averageDecay: flags.ema,
    options: recipeOptionsOf(flags),
  });
  const { trainer, fit, rule, options } = recipeRun(recipe, train, given);
  const early = earlyStopping(flags, fit.earlyStopping);
  if (flags.ema !== undefined && early?.restoreBest) {
    throw new ValueError(
      "--ema: the averaged weights are saved, so there is no best epoch to keep; leave out --keep-best",
    );
  }
  const needsMetrics = flags.metrics || (early?.monitor && !ALWAYS_MEASURED.includes(early.monitor));
  return {
    rule,
    options,
    trainer: {
      ...trainer,
      loss: reweighted(trainer.loss, train, flags),
      variants:
        conv === "auto" ? {} : { conv2d: conv, conv2dBackwardInput: conv, conv2dBackwardWeight: conv },
      ...defined({
        trackGradientNorm: flags.gradientNorm,
        metrics: needsMetrics ? metricsFor(train, trainer.loss) : undefined,
      }),
    },
    fit: {
      ...fit,
      ...defined({ earlyStopping: early, evaluateEvery }),
      ...(flags.ema === undefined ? {} : { evaluateAverages: true }),
    },
  };
}

/** The flags that choose a variant of the recipe. */
export function recipeOptionsOf(flags: TrainFlags): RecipeOptions {
  const { batchNorm, logSoftmax, biasPerPosition, activation, pixels } = flags;
  return defined({ batchNorm, logSoftmax, biasPerPosition, activation, pixels });
}

/** The device that was asked for, else the recipe's choice. */
export function deviceOptionsOf(recipe: Recipe, { backend }: Pick<TrainFlags, "backend">): OpenOptions {
  const { bits } = recipe;
  return { backend: backend === "auto" ? (recipe.backend ?? "auto") : backend, ...defined({ bits }) };
}

/** Throws ValueError where samples have another shape than the recipe's. */
export function expectFits({ name, inputShape }: Recipe, { name: dataset, inputs }: Dataset): void {
  if (sameShape(inputs.shape, inputShape)) return;
  const [expected, given] = [formatShape(inputShape), formatShape(inputs.shape)];
  throw new ValueError(`recipe ${name} is for samples of ${expected}, those of ${dataset} are ${given}`);
}

/** Metrics for a data set. A loss with a threshold has one output with targets 0 and 1: a choice of two classes. */
export function metricsFor({ classes }: Dataset, { threshold }: Loss): Metric[] {
  if (classes !== undefined) return classification(classes);
  return threshold === undefined ? regression() : classification(2, { threshold });
}

function earlyStopping(
  { earlyStopping: patience, monitor, minDelta, keepBest }: TrainFlags,
  ofRecipe: EarlyStoppingOptions | undefined,
): EarlyStoppingOptions | undefined {
  if (patience === undefined && !keepBest) {
    if (monitor !== undefined || minDelta !== undefined)
      throw new ValueError("--monitor and --min-delta: go with --early-stopping or --keep-best");
    return ofRecipe;
  }
  const given = defined({ monitor, minDelta, restoreBest: keepBest });
  return { ...ofRecipe, patience: patience ?? Number.POSITIVE_INFINITY, ...given };
}

function reweighted(loss: Loss, train: Dataset, { labelSmoothing, classWeights }: TrainFlags): Loss {
  if (labelSmoothing === undefined && classWeights === undefined) return loss;
  if (loss.reweighted === undefined)
    throw new ValueError("--label-smoothing and --class-weights: go with cross-entropy of classes only");
  const balanced = classWeights === undefined ? undefined : balancedWeights(train);
  return loss.reweighted(defined({ labelSmoothing, classWeights: balanced }));
}

/** Weights inversely proportional to the number of samples of each class; their average over the samples is 1. */
function balancedWeights({ labels, classes = 1, count }: Dataset): number[] {
  const samples = Array<number>(classes).fill(0);
  for (const label of labels) samples[label] = (samples[label] ?? 0) + 1;
  return samples.map((n) => count / (classes * Math.max(1, n)));
}
