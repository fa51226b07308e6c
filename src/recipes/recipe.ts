/**
 * The type of a recipe: an experiment with data, model, hyper-parameters and goals under one name, for the command line, pages,
 * tests and benchmarks. Recipes use neither files nor a host.
 */
import type { Dataset } from "../data/dataset.ts";
import type { TrainTest } from "../data/published/dataset-source.ts";
import type { Shape } from "../graph/spec.ts";
import type { Loss } from "../nn/loss.ts";
import type { Layer } from "../nn/module.ts";
import type { Backend } from "../runtime/backend.ts";
import type { EpochRecord } from "../train/loop/events.ts";
import type { Trainer } from "../train/loop/trainer.ts";
import type { Transform } from "../transforms/transform.ts";
import type { RecipeOption, RecipeOptions } from "./options.ts";
import type { UpdateRule } from "./update-rule.ts";

/** A mean over all training or test samples with the final weights, or the number of steps. */
export type Measure = "testAccuracy" | "trainAccuracy" | "testLoss" | "trainLoss" | "steps";

/** A condition that a run must meet. */
export interface Goal {
  readonly measure: Measure;
  /** When it is measured: at the end (default), after an epoch, or as the best of the first epochs. */
  readonly at?: "end" | { readonly epoch: number } | { readonly bestOf: number };
  readonly atLeast?: number;
  /** A number, or a function of the data. */
  readonly atMost?: number | ((data: TrainTest) => number);
  /** Whether each seed must meet it (default), or the mean or the median of seeds 1 to 5. */
  readonly over?: "each" | "mean" | "median";
}

export interface Recipe extends UpdateRule {
  readonly name: string;
  /** Shown to users, one line. */
  readonly title: string;
  /** The report that the experiment comes from; "own" for Weft's own. */
  readonly report: string;
  /** Name of a published data set; the recipe's own name where `data` gives the data. */
  readonly dataset: string;
  /** Shape of one sample after `prepare`. */
  readonly inputShape: Shape;
  /** What samples are where they are not numbers: sequences of whole numbers, as language models take them. */
  readonly inputs?: "tokens";
  /** The goals in words. */
  readonly target: string;
  readonly goals: readonly Goal[];
  /** How long a run usually takes, and on what. */
  readonly time: string;
  /** Passes over the training data; either this or `steps`. */
  readonly epochs?: number;
  /** Training steps. */
  readonly steps?: number;
  readonly batchSize: number;
  /** Also evaluate the test set every so many steps. Default: after each epoch only. */
  readonly evaluateEvery?: number;
  /** Whether samples are shuffled. Default true. */
  readonly shuffle?: boolean;
  /** The default backend: "cpu" for models so small that a GPU is slower. Default: WebGPU. */
  readonly backend?: "cpu";
  /** Width of the CPU reference's floats. Default 32. */
  readonly bits?: 64;
  /** Whether the run ends with the weights of the epoch with the best test accuracy, not the last ones. Default false. */
  readonly keepBest?: boolean;
  /** The options that it has, and their defaults. */
  readonly options?: readonly RecipeOption[];
  readonly defaults?: RecipeOptions;
  /** The data, where they are part of the recipe. */
  data?(): TrainTest;
  /**
   * Makes the training and the test set from what the data set's loader returns; the same seed gives the same sets. Default:
   * unchanged, a set that is not divided is split 80 to 20.
   */
  prepare?(data: Dataset | TrainTest, seed: number, options: RecipeOptions): TrainTest;
  model(options?: RecipeOptions): Layer;
  loss(options?: RecipeOptions): Loss;
  /** Applied to batches before the model, on the device. */
  transform?(): Transform;
  /** For language models of characters: what is generated at each evaluation, to show what has been learned. */
  readonly sample?: { readonly prompt: string; readonly tokens: number };
  /** What `--picture` draws. Default: the curves of loss and accuracy. */
  readonly picture?: PictureMaker;
  /** Runs in place of plain training. */
  readonly demonstration?: Demonstration;
}

/** A run that has ended. */
export interface FinishedRun {
  readonly title: string;
  readonly trainer: Trainer;
  readonly data: TrainTest;
  readonly epochs: readonly EpochRecord[];
}

/** Draws the result of a run as the text of an SVG file. */
export type PictureMaker = (run: FinishedRun) => Promise<string>;

export interface DemonstrationOptions {
  /** Called with each line of text. */
  readonly say: (line: string) => void;
  /** Most training steps; default depending on the device. */
  readonly steps?: number;
  readonly signal?: AbortSignal;
}

export interface DemonstrationResult {
  readonly steps: number;
  readonly loss: number;
  /** Whether the goal was reached. */
  readonly reached: boolean;
}

/** A training run that explains itself step by step. */
export type Demonstration = (backend: Backend, options: DemonstrationOptions) => Promise<DemonstrationResult>;
