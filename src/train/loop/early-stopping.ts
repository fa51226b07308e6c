/** Ends a run that stops getting better, and can bring its best weights back. Its state goes into checkpoints. */
import { ValueError } from "../../common/errors.ts";
import type { Data } from "../../graph/spec.ts";
import type { Best, EpochRecord, EvaluationRecord } from "./events.ts";
import { type Monitor, type MonitorMode, modeOf, monitored } from "./monitor.ts";

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
  /** What is less better than this is not better. Default 0. */
  readonly minDelta?: number;
  /** Ends with the weights and buffers of the best record, however the run ends, unless it is aborted. Default false. */
  readonly restoreBest?: boolean;
}

export interface EarlyStoppingState {
  readonly best?: Best;
  readonly bad: number;
}

/** Parameters and buffers by name. */
export type Weights = ReadonlyMap<string, Data>;

export class EarlyStopping {
  readonly monitor: Monitor;
  #best: Best | undefined;
  #bad: number;
  #weights: Weights | undefined;

  /** Throws ValueError on a patience or difference that can't be. */
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

  get weights(): Weights | undefined {
    return this.#weights;
  }

  get state(): EarlyStoppingState {
    return { ...(this.#best === undefined ? {} : { best: this.#best }), bad: this.#bad };
  }

  /** Takes the next record, made at `step` with `weights`; says why the run should end, if it should. */
  observe(record: EpochRecord | EvaluationRecord, step: number, weights: () => Weights): string | undefined {
    const { patience = 3, minDelta = 0, restoreBest = false, mode = modeOf(this.monitor) } = this.options;
    const value = monitored("earlyStopping", record, this.monitor);
    const best = this.#best;
    const least = mode === "min" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
    const gain = mode === "min" ? (best?.value ?? least) - value : value - (best?.value ?? least);
    // With a difference of 0 it takes more than a tie. NaN is never better.
    if (gain > minDelta) {
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
