/** Options of trainers and of `fit`, and the checks of what users give. */

import { checkTrainingData, type TrainingData } from "../../data/sharded.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Loss } from "../../nn/loss.ts";
import { checkLayer, type Layer } from "../../nn/module.ts";
import type { Optimizer } from "../../optim/optimizer.ts";
import { type CompileProgress, TUNE, type TuneOptions } from "../../runtime/backend.ts";
import { checkTransform, type Transform } from "../../transforms/transform.ts";
import { ValueError } from "../../validation/errors.ts";
import { checkOptions, expectGiven, isPromise, type OptionKinds, shown } from "../../validation/options.ts";
import { checkMetric, type Metric } from "../metrics/definition.ts";
import type { FitState } from "../state/fit-record.ts";
import type { StepBatch, StepContext, StepFunction } from "../step/phase.ts";
import { RING_STEPS } from "../step/runner.ts";
import type { RunControl } from "./control.ts";
import { type EarlyStoppingOptions, isOfValidation } from "./early-stopping.ts";
import type { Callback, StepListener } from "./events.ts";

/** Options of every trainer. */
export interface CommonTrainerOptions {
  /** Samples per training step. */
  readonly batchSize: number;
  /** Seed of initial weights and shuffling; default 0. */
  readonly seed?: number;
  /** Whether every epoch shuffles the samples anew; false takes them in the order of the data set. Default true. */
  readonly shuffle?: boolean;
  /** Samples per evaluation step; default 200, or the batch size if that is more. */
  readonly evalBatchSize?: number;
  /** Forces kernel variants by op name, e.g. `{ conv2d: "im2col" }`. */
  readonly variants?: Readonly<Record<string, string>>;
  /**
   * Times the kernels of a training step on this adapter when it is first compiled, on the first batch, and stores the choice of
   * the fastest ones: see CompileOptions. Default false.
   */
  readonly tune?: boolean | TuneOptions;
  /** How long one submit should take, in milliseconds; default: about a frame in a page, longer headless. */
  readonly submitMilliseconds?: number;
  /** Fixes the number of steps per submit. Does not change results, bit for bit. */
  readonly stepsPerSubmit?: number;
  /**
   * Checks all results of a training step before it is taken, and stops with an AnomalyError that names op, label and step at
   * the first NaN or infinity. Many times slower. Default false.
   */
  readonly detectAnomaly?: boolean;
  /**
   * Applied to batches on the device, before the model: random transforms in training only, others also in evaluation. See
   * `transforms`.
   */
  readonly transform?: Transform;
  /**
   * Bytes that a data set may take on the device, in training and in evaluation each; default: what fits. A larger one, and one
   * that is not in memory, is loaded in shards of at most half of this and of 64 MiB; samples are then shuffled within
   * shards of neighbours only.
   */
  readonly maxResidentBytes?: number;
  /** Called whenever a pipeline of training or evaluation has been compiled. */
  readonly onCompile?: (progress: CompileProgress) => void;
  /**
   * Called with what is unusual but no error: parameters on which the loss does not depend, which are not trained; a lost device
   * that was replaced outside `fit`, which has an event for it. Default console.warn.
   */
  readonly onNotice?: (message: string) => void;
  /** Logs the Euclidean norm of each step's gradients, before clipping. Default false. */
  readonly trackGradientNorm?: boolean;
}

/** A trainer of a model with a loss. */
export interface TrainerOptions extends CommonTrainerOptions {
  readonly model: Layer;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  /** Computed beside the loss, on the device. Default none; losses with classes give the accuracy by themselves. */
  readonly metrics?: readonly Metric[];
}

/** A trainer of a step function, `Step` as it is annotated. */
export interface StepOptions<Step = StepFunction> extends CommonTrainerOptions {
  /** What is trained and saved: a module, or an object with modules, as in `{ encoder, decoder }`. */
  readonly model: object;
  readonly optimizer: Optimizer;
  /** See StepFunction. */
  readonly step: Step;
}

/** A part of a step that trains a model with an optimizer of its own. */
export interface PhaseOptions<Step = StepFunction>
  extends Pick<StepOptions<Step>, "model" | "optimizer" | "step"> {
  /** The phase runs in steps number `every`, 2 `every` …, counted from 1. Default 1. */
  readonly every?: number;
}

/**
 * A trainer whose steps have several phases. Each updates the parameters of its own model only, and sees what those before it
 * have updated.
 */
export interface PhasesOptions<Step = StepFunction> extends CommonTrainerOptions {
  /** By name, in the order in which they run. */
  readonly phases: Readonly<Record<string, PhaseOptions<Step>>>;
  /**
   * Makes the batch of all phases from that of the data set; what it draws is the same in each: latents, pairs. Modules in it
   * are applied anew in each phase.
   */
  prepare?(batch: StepBatch, context: StepContext): Readonly<Record<string, Tensor>>;
}

export type AnyTrainerOptions<Step = StepFunction> = TrainerOptions | StepOptions<Step> | PhasesOptions<Step>;

export interface FitOptions {
  /** Passes over the training data, default 1. Either this or `steps`. */
  readonly epochs?: number;
  /** Training steps, in place of `epochs`; the last epoch may then be partial. */
  readonly steps?: number;
  /** Evaluated after every epoch. */
  readonly validation?: TrainingData;
  /** Evaluates the validation set also whenever the run's step is a multiple of this. */
  readonly evaluateEvery?: number;
  /** Evaluates the averaged weights, not the latest; the optimizer must have an `averageDecay`. */
  readonly evaluateAverages?: boolean;
  /** Ends the run when it no longer improves, and may restore the best weights. */
  readonly earlyStopping?: EarlyStoppingOptions;
  /** Writes files from which an interrupted run can be resumed. */
  readonly checkpoints?: CheckpointOptions;
  /** Continues an interrupted run: the result of `resumeFrom`. The other options must be the same. */
  readonly resume?: FitState | undefined;
  /** Ends the run cleanly after the steps in flight. */
  readonly signal?: AbortSignal;
  readonly callbacks?: readonly Callback[];
  /** Pauses, resumes and steps the run while it goes on. */
  readonly control?: RunControl;
  /** Called with the metrics of every step; again for steps that are repeated after a lost device. */
  readonly onSteps?: StepListener;
}

export interface CheckpointOptions {
  /** Folder of the files; created if missing. */
  readonly directory: string;
  /** After so many seconds of training since the last one. */
  readonly everySeconds?: number;
  /** Whenever the run's step is a multiple of this. */
  readonly everySteps?: number;
  /** Default 1 where neither seconds nor steps are given. One more is written when the run ends or is aborted. */
  readonly everyEpochs?: number;
  /** How many of the latest are kept. Default 3. */
  readonly keep?: number;
  /** Stored in every file. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Called where a killed process had left the folder locked. Default: a warning on the console. */
  readonly onNotice?: (line: string) => void;
}

const COMMON = {
  batchSize: "number",
  seed: "number",
  shuffle: "boolean",
  evalBatchSize: "number",
  variants: "object",
  tune: "any",
  submitMilliseconds: "number",
  stepsPerSubmit: "number",
  detectAnomaly: "boolean",
  transform: "any",
  maxResidentBytes: "number",
  onCompile: "function",
  onNotice: "function",
  trackGradientNorm: "boolean",
} as const satisfies OptionKinds<CommonTrainerOptions>;

const TRAINER = {
  model: "any",
  loss: "any",
  optimizer: "any",
  metrics: "array",
  ...COMMON,
} as const satisfies OptionKinds<TrainerOptions>;

const PHASE = { model: "any", optimizer: "any", step: "function" } as const;
const STEP = { ...PHASE, ...COMMON } as const satisfies OptionKinds<StepOptions>;
const ONE_PHASE = { ...PHASE, every: "number" } as const satisfies OptionKinds<PhaseOptions>;
const PHASES = {
  phases: "object",
  prepare: "function",
  ...COMMON,
} as const satisfies OptionKinds<PhasesOptions>;

const FIT = {
  epochs: "number",
  steps: "number",
  validation: "any",
  evaluateEvery: "number",
  evaluateAverages: "boolean",
  earlyStopping: "options",
  checkpoints: "options",
  resume: "object",
  signal: "object",
  callbacks: "array",
  control: "object",
  onSteps: "function",
} as const satisfies OptionKinds<FitOptions>;

const CHECKPOINTS = {
  directory: "string",
  everySeconds: "number",
  everySteps: "number",
  everyEpochs: "number",
  keep: "number",
  metadata: "object",
  onNotice: "function",
} as const satisfies OptionKinds<CheckpointOptions>;

const EARLY_STOPPING = {
  monitor: "string",
  mode: ["min", "max"],
  patience: "number",
  minDelta: "number",
  restoreBest: "boolean",
} as const satisfies OptionKinds<EarlyStoppingOptions>;

/** Samples per step when `count` samples are evaluated. */
export function evaluationBatch(
  { batchSize, evalBatchSize }: Pick<CommonTrainerOptions, "batchSize" | "evalBatchSize">,
  count: number,
): number {
  return Math.min(count, evalBatchSize ?? Math.max(batchSize, 200));
}

/** Throws ValueError on unknown options, on a model, loss, optimizer, transform or metric that is none, and on numbers out of range. */
export function checkTrainerOptions(options: AnyTrainerOptions, who = "Trainer.create"): void {
  if (has(options, "phases")) checkPhases(who, options as PhasesOptions);
  else if (has(options, "step")) {
    checkOptions(who, options as StepOptions, STEP);
    checkPhase(who, options as StepOptions);
  } else {
    const { model, loss, optimizer, metrics = [] } = checkOptions(who, options as TrainerOptions, TRAINER);
    checkLayer(`${who}: model`, model);
    checkPart(who, "loss", loss, "build", "nn.crossEntropy()", "nn");
    checkPart(who, "optimizer", optimizer, "states", "optim.adam()", "optim");
    for (const [i, metric] of metrics.entries()) checkMetric(`${who}: metrics[${i}]`, metric);
  }
  const { transform, tune, stepsPerSubmit = 1 } = options;
  if (transform !== undefined) checkTransform(`${who}: transform`, transform);
  if (tune !== undefined && typeof tune !== "boolean") checkOptions(`${who}: tune`, tune, TUNE);
  if (options.batchSize === undefined) {
    throw new ValueError(`${who}: batchSize is missing; give the samples per step, as in batchSize: 32`);
  }
  checkWhole(who, options, {
    batchSize: 1,
    seed: 0,
    evalBatchSize: 1,
    stepsPerSubmit: 1,
    maxResidentBytes: 1,
  });
  if (stepsPerSubmit > RING_STEPS) {
    throw new ValueError(`${who}: stepsPerSubmit must be at most ${RING_STEPS}, got ${stepsPerSubmit}`);
  }
}

const has = (options: unknown, name: string) =>
  typeof options === "object" && options !== null && name in options;

function checkPhases(who: string, options: PhasesOptions): void {
  const { phases } = checkOptions(who, options, PHASES);
  expectGiven(who, options, ["phases"]);
  const names = Object.keys(phases);
  if (names.length === 0) throw new ValueError(`${who}: phases has no phase; give at least one by its name`);
  for (const [name, phase] of Object.entries(phases)) {
    const where = `${who}: phases.${name}`;
    // Names are parts of those in files.
    if (!/^[A-Za-z]\w*$/.test(name)) {
      throw new ValueError(`${who}: the name of a phase must be letters, digits and _, got ${shown(name)}`);
    }
    checkPhase(where, checkOptions(where, phase, ONE_PHASE));
    checkWhole(where, phase, { every: 1 });
  }
}

function checkPhase(who: string, { model, optimizer, step }: PhaseOptions): void {
  if ((typeof model !== "object" && typeof model !== "function") || model === null || isPromise(model)) {
    throw new ValueError(
      `${who}: model must be a module or an object with modules, as in { encoder, decoder }, got ${shown(model)}`,
    );
  }
  checkPart(who, "optimizer", optimizer, "states", "optim.adam()", "optim");
  if (typeof step !== "function")
    throw new ValueError(`${who}: step must be a function of (batch, context), got ${shown(step)}`);
}

/** Throws ValueError on a loss or an optimizer without its `method`, and says what to write. `space`: exports such parts. */
function checkPart(
  who: string,
  name: string,
  part: unknown,
  method: string,
  example: string,
  space: string,
): void {
  if (typeof part === "object" && part !== null && method in part) return;
  if (part === undefined) throw new ValueError(`${who}: ${name} is missing; give one such as ${example}`);
  const hint =
    typeof part === "function"
      ? `call it, as in ${example}`
      : typeof part === "string" && /^\w+$/.test(part)
        ? `write ${space}.${part}() or another one of \`${space}\``
        : `give one such as ${example}`;
  throw new ValueError(`${who}: ${name} must be one of Weft's, got ${shown(part)}; ${hint}`);
}

/**
 * The options of a fit; one epoch where no length is given. Throws ValueError on unknown options, on numbers of epochs or
 * steps that are no whole numbers, and where both are given.
 */
export function checkFitOptions(given: FitOptions): FitOptions {
  if (typeof given === "object" && given !== null && "inputs" in given) {
    throw new ValueError(
      "fit: takes options after the training data; write fit(train, { validation: test })",
    );
  }
  const options = checkOptions("fit", given, FIT);
  const { epochs, steps, validation, checkpoints, earlyStopping, callbacks = [] } = options;
  if (validation !== undefined) checkTrainingData("fit: validation", validation);
  checkOptions("fit: earlyStopping", earlyStopping, EARLY_STOPPING);
  const { monitor = "valLoss" } = earlyStopping ?? {};
  if (earlyStopping !== undefined && isOfValidation(monitor) && validation === undefined) {
    throw new ValueError(
      `fit: earlyStopping goes by ${monitor}; give fit a validation set, or earlyStopping a monitor such as "loss"`,
    );
  }
  checkOptions("fit: checkpoints", checkpoints, CHECKPOINTS);
  if (checkpoints !== undefined && checkpoints.directory === undefined) {
    throw new ValueError('fit: checkpoints need a directory, as in { directory: "checkpoints" }');
  }
  const wrong = callbacks.findIndex((callback) => typeof callback !== "function");
  if (wrong >= 0) {
    throw new ValueError(`fit: callbacks must be functions of an event, got ${shown(callbacks[wrong])}`);
  }
  checkWhole("fit", options, { epochs: 1, steps: 1, evaluateEvery: 1 });
  if (steps !== undefined && epochs !== undefined) {
    throw new ValueError(`fit: takes epochs or steps, not both, got ${epochs} and ${steps}`);
  }
  return steps === undefined && epochs === undefined ? { ...options, epochs: 1 } : options;
}

/** Throws ValueError on what is no trainer, such as a promise of one. */
export function checkTrainer(who: string, trainer: unknown): void {
  if (typeof trainer === "object" && trainer !== null && "states" in trainer) return;
  const hint = isPromise(trainer) ? "; write await Trainer.create(…)" : "";
  throw new ValueError(`${who}: the first argument must be a trainer, got ${shown(trainer)}${hint}`);
}

/** Throws ValueError where an option is given that is no whole number of at least `least[name]`. */
export function checkWhole<O extends object>(
  who: string,
  options: O,
  least: { readonly [Name in keyof O]?: number },
): void {
  for (const [name, minimum] of Object.entries(least) as [keyof O & string, number][]) {
    const value = options[name];
    if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= minimum)) continue;
    throw new ValueError(
      `${who}: ${name} must be a whole number of at least ${minimum}, got ${shown(value)}`,
    );
  }
}
