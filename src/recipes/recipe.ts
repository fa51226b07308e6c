/**
 * A ready experiment: data, model and hyper-parameters under one name, for the command line, pages, tests and bench. Pure:
 * no files, no host. What it must reach is part of it, in words and as numbers that a program can check.
 */
import type { Dataset } from "../data/dataset.ts";
import type { TrainTest } from "../data/published/dataset-source.ts";
import type { Shape } from "../graph/spec.ts";
import type { Loss } from "../nn/loss.ts";
import type { Layer } from "../nn/module.ts";
import type { Transform } from "../transforms/transform.ts";
import type { RecipeOption, RecipeOptions } from "./options.ts";
import type { Demonstration, PictureMaker } from "./results.ts";
import type { UpdateRule } from "./update-rule.ts";

/** What is measured of a run: means over all training or test samples with the weights it ends with, or its steps. */
export type Measure = "testAccuracy" | "trainAccuracy" | "testLoss" | "trainLoss" | "steps";

/** One number to reach. */
export interface Goal {
  readonly measure: Measure;
  /** At the end of the run (default), after this epoch, or the best of the first so many epochs. */
  readonly at?: "end" | { readonly epoch: number } | { readonly bestOf: number };
  readonly atLeast?: number;
  /** A number, or one that depends on the data. */
  readonly atMost?: number | ((data: TrainTest) => number);
  /** Whether every seed must reach it (default), or the mean or median over seeds 1 to 5. */
  readonly over?: "each" | "mean" | "median";
}

export interface Recipe extends UpdateRule {
  readonly name: string;
  /** One line for people. */
  readonly title: string;
  /** The report whose experiment this is, done right; or "own". */
  readonly report: string;
  /** Name of a published data set, or the recipe's own name where it brings its data along. */
  readonly dataset: string;
  /** Of one sample after `prepare`. */
  readonly inputShape: Shape;
  /** What it must reach, in words. */
  readonly target: string;
  readonly goals: readonly Goal[];
  /** How long a run usually takes, and on what. */
  readonly time: string;
  /** Passes over the training data. This or `steps`. */
  readonly epochs?: number;
  /** Training steps, where a run is not counted in passes. */
  readonly steps?: number;
  readonly batchSize: number;
  /** Default true; false takes the samples in their order. */
  readonly shuffle?: boolean;
  /** Where it runs if nobody says: tiny models are quicker without a GPU. Default whatever is fastest. */
  readonly backend?: "cpu";
  /** Width of the CPU reference's floats; default 32. */
  readonly bits?: 64;
  /** Whether the weights of the epoch with the best test accuracy are kept and not the last ones. Default false. */
  readonly keepBest?: boolean;
  /** The options that it understands, and what it does without them. */
  readonly options?: readonly RecipeOption[];
  readonly defaults?: RecipeOptions;
  /** Data that the recipe brings along. */
  data?(): TrainTest;
  /**
   * Training and test set out of what the data set's loader gives; the same seed gives the same parts. Default: as they
   * are, an undivided set split 80 to 20.
   */
  prepare?(data: Dataset | TrainTest, seed: number, options: RecipeOptions): TrainTest;
  model(options?: RecipeOptions): Layer;
  loss(options?: RecipeOptions): Loss;
  /** What batches go through before the model, on the device. */
  transform?(): Transform;
  /** Draws what the run learned; without it, `--picture` draws the curves of loss and accuracy. */
  readonly picture?: PictureMaker;
  /** Shown in place of a plain training run. */
  readonly demonstration?: Demonstration;
}
