/** What a trainer and a run of training are given. Refuses numbers that can't be. */
import type { CompileProgress, TuneOptions } from "../backend.ts";
import type { TrainingData } from "../data/sharded.ts";
import { ValueError } from "../errors.ts";
import type { Loss } from "../nn/loss.ts";
import type { Layer } from "../nn/module.ts";
import type { Optimizer } from "../optim/optimizer.ts";
import type { Transform } from "../transforms/transform.ts";
import type { RunControl } from "./control.ts";
import type { EarlyStoppingOptions } from "./early-stopping.ts";
import type { Callback, StepListener } from "./events.ts";
import type { Metric } from "./metric.ts";
import type { FitState } from "./run-state.ts";
import { RING_STEPS } from "./runner.ts";

export interface TrainerOptions {
  readonly model: Layer;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  /** Samples per training step. */
  readonly batchSize: number;
  /** Seed of start weights and shuffling; default 0. */
  readonly seed?: number;
  /** Whether every epoch has an order of its own; false takes samples as they lie in the data set. Default true. */
  readonly shuffle?: boolean;
  /** Samples per evaluation step; default 200, or the batch size if that is more. */
  readonly evalBatchSize?: number;
  /** Forces kernel variants by op name, e.g. `{ conv2d: "im2col" }`. */
  readonly variants?: Readonly<Record<string, string>>;
  /**
   * Times the kernels of a training step on this adapter when it is first compiled, takes the fastest and stores which they
   * are: see CompileOptions. Measured on the first batch. Default false.
   */
  readonly tune?: boolean | TuneOptions;
  /** How long one submit should take, in milliseconds; default what suits the host: about a frame in a page. */
  readonly submitMilliseconds?: number;
  /** Fixes the number of steps per submit. Does not change results, bit for bit. */
  readonly stepsPerSubmit?: number;
  /**
   * Examines everything that a training step computes, before it is taken, and stops with an AnomalyError naming op, label
   * and step at the first NaN or infinity. Many times slower. Default false.
   */
  readonly detectAnomaly?: boolean;
  /**
   * What batches go through before the model, on the device: random transforms in training only, the others in evaluation
   * too. See `transforms`.
   */
  readonly transform?: Transform;
  /**
   * Bytes that a data set may take on the device, in training and in evaluation each; default what fits. A larger one, and
   * one that is not in memory, goes through in shards of at most half of this and of 64 MiB; samples are then shuffled
   * within shards of neighbours only.
   */
  readonly maxResidentBytes?: number;
  /** Measured beside the loss, on the device. Default none; losses with classes count right answers by themselves. */
  readonly metrics?: readonly Metric[];
  /** Hears how compiling goes, of training and of evaluation; called when a pipeline is there. */
  readonly onCompile?: (progress: CompileProgress) => void;
  /**
   * Hears what is unusual about the run but no error: parameters of the model that the loss does not depend on, which stay
   * as they are. Default console.warn.
   */
  readonly onNotice?: (message: string) => void;
  /** Records the Euclidean norm of each step's gradients, before clipping. Default false. */
  readonly trackGradientNorm?: boolean;
}

/** What a trainer must know of its options while it runs. */
export type RunSettings = Pick<TrainerOptions, "batchSize" | "submitMilliseconds" | "stepsPerSubmit">;

export interface FitOptions {
  /** Passes over the training data. Either this or `steps`. */
  readonly epochs?: number;
  /** Training steps, in place of `epochs`; the last epoch may then be a part of one. */
  readonly steps?: number;
  /** Evaluated after every epoch. */
  readonly validation?: TrainingData;
  /** Evaluates the validation set also whenever the run's step is a multiple of this. */
  readonly evaluateEvery?: number;
  /** Whether the averaged weights are evaluated and not the latest; the optimizer must have an `averageDecay`. */
  readonly evaluateAverages?: boolean;
  /** Ends the run when it stops getting better, and may bring the best weights back. */
  readonly earlyStopping?: EarlyStoppingOptions;
  /** Writes files to go on from, whatever happens. */
  readonly checkpoints?: CheckpointOptions;
  /** Goes on with a run that was stopped, from what `resumeFrom` gave back; the other options must be the same. */
  readonly resume?: FitState | undefined;
  /** Ends the run cleanly after the steps in flight. */
  readonly signal?: AbortSignal;
  readonly callbacks?: readonly Callback[];
  /** To pause, resume and step the run while it goes on. */
  readonly control?: RunControl;
  /** Hears every step's own metrics; steps that are repeated after a lost device again. */
  readonly onSteps?: StepListener;
}

export interface CheckpointOptions {
  /** Folder of the files, made if need be. */
  readonly directory: string;
  /** After so many seconds of training since the last one. */
  readonly everySeconds?: number;
  /** Whenever the run's step is a multiple of this. */
  readonly everySteps?: number;
  /** Default 1 where neither seconds nor steps are given. One more is written when the run ends or is aborted. */
  readonly everyEpochs?: number;
  /** How many of the latest stay. Default 3. */
  readonly keep?: number;
  /** Goes into every file. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Hears of a folder whose lock a killed process had left. Default: a warning on the console. */
  readonly onNotice?: (line: string) => void;
}

/** Throws ValueError on a batch size, seed or number of steps that is no whole number. */
export function checkTrainerOptions(options: TrainerOptions): void {
  const { batchSize, seed = 0, evalBatchSize = 1, stepsPerSubmit = 1, maxResidentBytes = 1 } = options;
  whole("batchSize", batchSize, 1);
  whole("seed", seed, 0);
  whole("evalBatchSize", evalBatchSize, 1);
  whole("stepsPerSubmit", stepsPerSubmit, 1);
  whole("maxResidentBytes", maxResidentBytes, 1);
  if (stepsPerSubmit > RING_STEPS) {
    throw new ValueError(`trainer: stepsPerSubmit must be at most ${RING_STEPS}, got ${stepsPerSubmit}`);
  }
}

/** Throws ValueError on numbers of epochs or steps that are no whole numbers, and unless just one of them is given. */
export function checkFitOptions({ epochs, steps, evaluateEvery = 1 }: FitOptions): void {
  if (steps === undefined) whole("epochs", epochs, 1);
  else whole("steps", steps, 1);
  if (steps !== undefined && epochs !== undefined) {
    throw new ValueError(`trainer: fit takes epochs or steps, not both, got ${epochs} and ${steps}`);
  }
  whole("evaluateEvery", evaluateEvery, 1);
}

function whole(name: string, value: number | undefined, least: number): void {
  if (value === undefined || !Number.isSafeInteger(value) || value < least) {
    throw new ValueError(`trainer: ${name} must be a whole number of at least ${least}, got ${value}`);
  }
}
