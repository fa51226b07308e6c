/** What a trainer and a run of training are given. Refuses numbers that can't be. */
import type { Dataset } from "../data/dataset.ts";
import { ValueError } from "../errors.ts";
import type { Loss } from "../nn/loss.ts";
import type { Layer } from "../nn/module.ts";
import type { Optimizer } from "../optim/optimizer.ts";
import type { RunControl } from "./control.ts";
import type { Callback, StepListener } from "./events.ts";
import type { Metric } from "./metric.ts";
import { RING_STEPS } from "./runner.ts";

export interface TrainerOptions {
  readonly model: Layer;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  /** Samples per training step. */
  readonly batchSize: number;
  /** Seed of start weights and shuffling; default 0. */
  readonly seed?: number;
  /** Samples per evaluation step; default 200, or the batch size if that is more. */
  readonly evalBatchSize?: number;
  /** Forces kernel variants by op name, e.g. `{ conv2d: "im2col" }`. */
  readonly variants?: Readonly<Record<string, string>>;
  /** How long one submit should take, in milliseconds; default what suits the host: about a frame in a page. */
  readonly submitMilliseconds?: number;
  /** Fixes the number of steps per submit. Does not change results, bit for bit. */
  readonly stepsPerSubmit?: number;
  /**
   * Examines everything that a training step computes, before it is taken, and stops with an AnomalyError naming op, label
   * and step at the first NaN or infinity. Many times slower. Default false.
   */
  readonly detectAnomaly?: boolean;
  /** Measured beside the loss, on the device. Default none; losses with classes count right answers by themselves. */
  readonly metrics?: readonly Metric[];
  /** Records the Euclidean norm of each step's gradients, before clipping. Default false. */
  readonly trackGradientNorm?: boolean;
}

export interface FitOptions {
  /** Passes over the training data. */
  readonly epochs: number;
  /** Evaluated after every epoch. */
  readonly validation?: Dataset;
  /** Ends the run cleanly after the steps in flight. */
  readonly signal?: AbortSignal;
  readonly callbacks?: readonly Callback[];
  /** To pause, resume and step the run while it goes on. */
  readonly control?: RunControl;
  /** Hears every step's own metrics; steps that are repeated after a lost device again. */
  readonly onSteps?: StepListener;
}

/** Throws ValueError on a batch size, seed or number of steps that is no whole number. */
export function checkTrainerOptions(options: TrainerOptions): void {
  const { batchSize, seed = 0, evalBatchSize = 1, stepsPerSubmit = 1 } = options;
  whole("batchSize", batchSize, 1);
  whole("seed", seed, 0);
  whole("evalBatchSize", evalBatchSize, 1);
  whole("stepsPerSubmit", stepsPerSubmit, 1);
  if (stepsPerSubmit > RING_STEPS) {
    throw new ValueError(`trainer: stepsPerSubmit must be at most ${RING_STEPS}, got ${stepsPerSubmit}`);
  }
}

/** Throws ValueError on a number of epochs that is no whole number. */
export function checkFitOptions({ epochs }: FitOptions): void {
  whole("epochs", epochs, 1);
}

function whole(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new ValueError(`trainer: ${name} must be a whole number of at least ${least}, got ${value}`);
  }
}
