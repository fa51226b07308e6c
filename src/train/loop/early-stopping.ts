/** Judges the records of a run by one figure: which way is better, and when a run stops because it no longer improves. */

import type { Data } from "../../graph/spec.ts";
import { ValueError } from "../../validation/errors.ts";
import type { Best, EpochRecord, EvaluationRecord, Metrics } from "./events.ts";
import { numbersOf, validationName } from "./history.ts";

/**
 * A figure by its name: `loss`, `accuracy` or a metric (`top5`, `f1`) of training; of the validation set with `val` before it
 * (`valLoss`, `valTop5`).
 */
export type Monitor = "valLoss" | "valAccuracy" | "loss" | "accuracy" | (string & {});

export type MonitorMode = "min" | "max";

export interface EarlyStoppingOptions {
  /** Default `valLoss`. */
  readonly monitor?: Monitor;
  /** Default: losses and errors should fall, everything else rise. */
  readonly mode?: MonitorMode;
  /**
   * Ends the run at this many records in a row that are no better than the best: of epochs, or of evaluations where `fit`
   * has `evaluateEvery` and validation is monitored. Infinity never ends it, for `restoreBest` alone. Default 3.
   */
  readonly patience?: number;
  /** Smallest improvement that counts. Default 0. */
  readonly minDelta?: number;
  /** Ends with the weights and buffers of the best record, however the run ends, unless it is aborted. Default false. */
  readonly restoreBest?: boolean;
}

/** As JSON in checkpoints. */
export interface EarlyStoppingState {
  readonly best?: Best;
  /** Records since the best. */
  readonly bad: number;
}

/** Parameters and buffers by name. */
export type Weights = ReadonlyMap<string, Data>;

/** What a figure is taken from. */
interface Judged extends Partial<Metrics> {
  readonly epoch: number;
  readonly val?: Metrics;
}

/** Losses and errors are better when small, everything else when large. */
export function modeOf(monitor: Monitor): MonitorMode {
  return /loss$|mse$|mae$|error$|norm$/i.test(monitor) ? "min" : "max";
}

export const isOfValidation = (monitor: Monitor): boolean => /^val[A-Z]/.test(monitor);

/** How much better `value` is than `best`; NaN where it is none. The first number is infinitely better than nothing. */
export function improvement(value: number, best: number | undefined, mode: MonitorMode): number {
  const worst = mode === "min" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  return mode === "min" ? (best ?? worst) - value : value - (best ?? worst);
}

/** The number that `monitor` names. Throws ValueError, in the name of `who`, where the record has none. */
export function monitored(who: string, { epoch, val, ...training }: Judged, monitor: Monitor): number {
  const ofValidation = isOfValidation(monitor);
  const metrics = ofValidation ? val : training;
  const name = ofValidation ? monitor.charAt(3).toLowerCase() + monitor.slice(4) : monitor;
  const value = name === "loss" || name === "accuracy" ? metrics?.[name] : metrics?.metrics?.[name];
  if (typeof value === "number") return value;
  const names = [
    ...numbersOf(training).map(([known]) => known),
    ...numbersOf(val).map(([known]) => validationName(known)),
  ];
  const advice =
    ofValidation && val === undefined
      ? "give fit a validation set"
      : value === undefined
        ? `there are ${names.join(", ")}; others are measured with the trainer's \`metrics\``
        : "it is not a single number";
  throw new ValueError(`${who}: epoch ${epoch} has no ${monitor}; ${advice}`);
}

export class EarlyStopping {
  readonly monitor: Monitor;
  #best: Best | undefined;
  #bad: number;
  #weights: Weights | undefined;

  /** Continues from `state` and the best `weights`. Throws ValueError on a patience or difference out of range. */
  constructor(
    readonly options: EarlyStoppingOptions,
    state: EarlyStoppingState = { bad: 0 },
    weights?: Weights,
  ) {
    const { patience = 3, minDelta = 0 } = options;
    if (!(patience >= 1 && (Number.isInteger(patience) || patience === Number.POSITIVE_INFINITY))) {
      throw new ValueError(`earlyStopping: patience must be a whole number of at least 1, got ${patience}`);
    }
    if (!(minDelta >= 0 && Number.isFinite(minDelta))) {
      throw new ValueError(`earlyStopping: minDelta must be a number of at least 0, got ${minDelta}`);
    }
    this.monitor = options.monitor ?? "valLoss";
    this.#best = state.best;
    this.#bad = state.bad;
    this.#weights = weights;
  }

  get best(): Best | undefined {
    return this.#best;
  }

  /** Of the best record, with `restoreBest`. */
  get weights(): Weights | undefined {
    return this.#weights;
  }

  get state(): EarlyStoppingState {
    return { ...(this.#best && { best: this.#best }), bad: this.#bad };
  }

  /** Takes the next record, made at `step` with `weights`. Answers why the run should end, if it should. */
  observe(record: EpochRecord | EvaluationRecord, step: number, weights: () => Weights): string | undefined {
    const { patience = 3, minDelta = 0, restoreBest = false, mode = modeOf(this.monitor) } = this.options;
    const value = monitored("earlyStopping", record, this.monitor);
    const best = this.#best;
    if (improvement(value, best?.value, mode) > minDelta) {
      this.#best = { monitor: this.monitor, value, epoch: record.epoch, step };
      this.#bad = 0;
      if (restoreBest) this.#weights = weights();
      return undefined;
    }
    this.#bad++;
    if (this.#bad < patience) return undefined;
    const times = this.#bad === 1 ? "once" : `${this.#bad} times in a row`;
    const than = best === undefined ? "a number" : `${best.value} of epoch ${best.epoch}`;
    return `${this.monitor} was no better than ${than}, ${times}`;
  }
}
