/** From a recipe, its data and the flags of the command line to what the trainer and its run are given. */

import { ValueError } from "../../../common/errors.ts";
import type { Dataset } from "../../../data/dataset.ts";
import type { Loss } from "../../../nn/loss.ts";
import type { Recipe } from "../../../recipes/recipe.ts";
import { type RecipeRun, recipeRun } from "../../../recipes/run.ts";
import type { EarlyStoppingOptions } from "../../../train/loop/early-stopping.ts";
import type { FitOptions, TrainerOptions } from "../../../train/loop/options.ts";
import { classification, type Metric, regression } from "../../../train/metrics/metrics.ts";
import type { TrainFlags } from "../options/train-options.ts";
import { variantsOf } from "./recipe-run.ts";

export interface Settings {
  readonly trainer: TrainerOptions;
  /** Without signal, checkpoints and validation set. */
  readonly fit: FitOptions;
  readonly rule: RecipeRun["rule"];
  readonly options: RecipeRun["options"];
}

/** Figures that losses give by themselves. */
const OF_THE_LOSS = ["loss", "valLoss", "accuracy", "valAccuracy"];

/** Throws ValueError on flags that don't go with each other or with the recipe. */
export function settingsOf(recipe: Recipe, train: Dataset, flags: TrainFlags): Settings {
  if (flags.epochs !== undefined && flags.steps !== undefined) {
    throw new ValueError("--epochs and --steps: give one of them");
  }
  const { trainer, fit, rule, options } = recipeRun(recipe, train, given(flags));
  const early = earlyStopping(flags, fit.earlyStopping);
  if (flags.ema !== undefined && early?.restoreBest) {
    throw new ValueError(
      "--ema: the average is saved, so there is no best epoch to keep; leave out --keep-best",
    );
  }
  const { conv } = flags;
  const measured = flags.metrics || (early?.monitor && !OF_THE_LOSS.includes(early.monitor));
  return {
    rule,
    options,
    trainer: {
      ...trainer,
      loss: reweighted(trainer.loss, train, flags),
      variants: conv === "auto" ? {} : convolutionVariants(conv),
      ...(flags.gradientNorm ? { trackGradientNorm: true } : {}),
      ...(measured ? { metrics: metricsFor(train, trainer.loss) } : {}),
    },
    fit: {
      ...fit,
      ...(early === undefined ? {} : { earlyStopping: early }),
      ...(flags.evaluateEvery === undefined ? {} : { evaluateEvery: flags.evaluateEvery }),
      ...(flags.ema === undefined ? {} : { evaluateAverages: true }),
    },
  };
}

/** What predictions for a data set are measured by: one output with targets of 0 and 1 is a choice of two classes. */
export function metricsFor({ classes }: Dataset, { threshold }: Loss): Metric[] {
  if (classes !== undefined) return classification(classes);
  return threshold === undefined ? regression() : classification(2, { threshold });
}

/** Flags under the names that recipes know. */
function given(flags: TrainFlags) {
  const { seed, epochs, steps, batchSize, optimizer, schedule, momentum, weightDecay } = flags;
  const all = {
    ...{ seed, epochs, steps, batchSize, optimizer, schedule, momentum, weightDecay },
    learningRate: flags.lr,
    warmUpSteps: flags.warmup,
    clipNorm: flags.clipNorm,
    clipValue: flags.clipValue,
    accumulate: flags.accumulate,
    averageDecay: flags.ema,
    options: variantsOf(flags),
  };
  type Given = { [K in keyof typeof all]?: Exclude<(typeof all)[K], undefined> };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Given;
}

function earlyStopping(
  flags: TrainFlags,
  recipes: EarlyStoppingOptions | undefined,
): EarlyStoppingOptions | undefined {
  const { earlyStopping: patience, monitor, minDelta, keepBest } = flags;
  if (patience === undefined && !keepBest) {
    if (monitor !== undefined || minDelta !== undefined) {
      throw new ValueError("--monitor and --min-delta: go with --early-stopping or --keep-best");
    }
    return recipes;
  }
  return {
    ...recipes,
    patience: patience ?? Number.POSITIVE_INFINITY,
    ...(monitor === undefined ? {} : { monitor }),
    ...(minDelta === undefined ? {} : { minDelta }),
    ...(keepBest ? { restoreBest: true } : {}),
  };
}

function reweighted(loss: Loss, train: Dataset, { labelSmoothing, classWeights }: TrainFlags): Loss {
  if (labelSmoothing === undefined && classWeights === undefined) return loss;
  if (loss.reweighted === undefined) {
    throw new ValueError("--label-smoothing and --class-weights: go with cross-entropy of classes only");
  }
  return loss.reweighted({
    ...(labelSmoothing === undefined ? {} : { labelSmoothing }),
    ...(classWeights === undefined ? {} : { classWeights: balanced(train) }),
  });
}

/** Weights that make all classes count alike, 1 on average over the samples. */
function balanced({ labels, classes = 1, count }: Dataset): number[] {
  const samples = Array<number>(classes).fill(0);
  for (const label of labels) samples[label] = (samples[label] ?? 0) + 1;
  return samples.map((n) => count / (classes * Math.max(1, n)));
}

/** Forces one kind of kernel for a convolution and both its gradients. */
function convolutionVariants(kind: string): Readonly<Record<string, string>> {
  return { conv2d: kind, conv2dBackwardInput: kind, conv2dBackwardWeight: kind };
}
