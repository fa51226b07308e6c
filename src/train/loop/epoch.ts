/**
 * One epoch of training, or a part of one: submits its steps, reads the ring of metrics behind them, and keeps a save
 * point that is not too old.
 */
import type { TrainingData } from "../../data/sharded.ts";
import type { Totals } from "../metrics/accumulator.ts";
import { checkFinite } from "../metrics/divergence.ts";
import { RunControl } from "./control.ts";
import type { EpochRecord, TrainEvent, TrainMetrics } from "./events.ts";
import type { FitOptions } from "./options.ts";
import type { Snapshot, TrainerCore } from "./trainer-core.ts";

const PROGRESS_MILLISECONDS = 100;
/** At most this much work is lost with a device. */
const SAVE_MILLISECONDS = 10_000;

/** A moment to come back to: the run's states, and what the epoch had come to by then. */
export interface SavePoint {
  readonly snapshot: Snapshot;
  readonly totals: Totals;
  /** Training time of the epoch so far. */
  readonly seconds: number;
}

/** Where an epoch lies, in steps of the whole run. */
export interface EpochPlan {
  readonly epoch: number;
  /** Where the data begin anew; before `begin` if the run began in the middle of an epoch. */
  readonly aligned: number;
  readonly begin: number;
  readonly end: number;
  /** Where the last epoch ends. */
  readonly runEnd: number;
}

/** Somebody who keeps save points. */
export interface Saver {
  due(): boolean;
  keep(point: SavePoint): Promise<void>;
}

export class EpochRun {
  constructor(
    readonly trainer: TrainerCore,
    readonly train: TrainingData,
    public saved: SavePoint,
    readonly plan: EpochPlan,
    readonly options: FitOptions,
    readonly saver: Saver | undefined,
  ) {}

  /** What the epoch had come to at the save point. */
  result(): TrainMetrics & Pick<EpochRecord, "seconds" | "stepsPerSecond"> {
    const { totals, seconds } = this.saved;
    return { ...totals.metrics(), seconds, stepsPerSecond: totals.steps / seconds };
  }

  /** Trains from the save point until `until` steps of the run are done; that becomes the next save point. */
  async *events(until: number, aborted: () => boolean): AsyncGenerator<TrainEvent> {
    const { control = new RunControl(), onSteps, signal } = this.options;
    const runner = this.trainer.runner(await this.trainer.trainProgram(this.train));
    const totals = this.saved.totals.copy();
    const { seconds: secondsBefore } = this.saved;
    const before = totals.steps;
    const first = runner.position - before;
    let begun = performance.now();
    const elapsed = () => (performance.now() - begun) / 1000;
    const secondsPerStep = () => elapsed() / (totals.steps - before);
    // The first progress is told as soon as there is any.
    let told = Number.NEGATIVE_INFINITY;
    let savedAt = begun;
    let reading: Promise<void> | undefined;
    let failure: unknown;
    let fresh = false;
    const read = async (): Promise<void> => {
      const from = first + totals.steps;
      if (from === runner.position) return;
      const rows = await runner.collect();
      totals.add(rows, from);
      fresh ||= rows.length > 0;
      if (rows.length > 0) onSteps?.(from, totals.metricsOf(rows));
    };
    const readBehind = async (): Promise<void> => {
      try {
        await read();
      } catch (error) {
        failure = error;
      } finally {
        reading = undefined;
      }
    };
    const settled = async (): Promise<void> => {
      await reading;
      if (failure !== undefined) throw failure;
      await read();
    };
    const save = async (): Promise<void> => {
      await settled();
      const seconds = secondsBefore + elapsed();
      const snapshot = await this.trainer.snapshot(runner.position);
      checkFinite(this.trainer, snapshot.values, snapshot.position);
      this.saved = { snapshot, totals: totals.copy(), seconds };
    };
    try {
      while (runner.position < until && !aborted()) {
        if (control.paused) {
          // Who pauses may stay long: nothing is to be lost with the device then.
          if (this.saved.snapshot.position < runner.position) await save();
          // Throws when the device was lost meanwhile.
          await runner.program.finished();
          const held = performance.now();
          if (fresh) yield this.#progress(totals, secondsPerStep());
          fresh = false;
          yield { event: "paused", epoch: this.plan.epoch, step: runner.position };
          await this.trainer.aside(() => control.wait(signal));
          begun += performance.now() - held;
          continue;
        }
        const from = runner.position;
        await runner.advance(Math.min(until - from, control.allowed));
        control.taken(runner.position - from);
        if (failure !== undefined) throw failure;
        const now = performance.now();
        const due = now - told > PROGRESS_MILLISECONDS;
        if (runner.full) await (reading ?? read());
        else if (due && !fresh) reading ??= readBehind();
        const keep = this.saver?.due() === true;
        if (keep || now - savedAt > SAVE_MILLISECONDS) {
          await save();
          if (keep) await this.saver?.keep(this.saved);
          savedAt = performance.now();
        }
        if (due && fresh && !control.paused) {
          fresh = false;
          told = now;
          yield this.#progress(totals, secondsPerStep());
        }
      }
      await settled();
      await runner.drain();
      await save();
      if (totals.steps > before) yield this.#progress(totals, secondsPerStep());
    } finally {
      this.trainer.settle(runner);
      // Where the run is left early, what is under way ends before anything else begins.
      await reading;
      await runner.drain().catch(() => undefined);
    }
  }

  #progress(totals: Totals, secondsPerStep: number): TrainEvent {
    const { epoch, aligned, begin, end, runEnd } = this.plan;
    const position = begin + totals.steps;
    return {
      event: "progress",
      epoch,
      step: position - aligned,
      stepsPerEpoch: end - aligned,
      samplesPerSecond: totals.count / totals.steps / secondsPerStep,
      secondsLeft: secondsPerStep * (runEnd - position),
      ...totals.metrics(),
    };
  }
}
