/**
 * One epoch of training: submits its steps, reads the ring of metrics behind them, and keeps a save point that is not
 * too old.
 */
import type { Dataset } from "../data/dataset.ts";
import { RunControl } from "./control.ts";
import type { EpochRecord, TrainEvent, TrainMetrics } from "./events.ts";
import type { FitOptions } from "./options.ts";
import type { Totals } from "./totals.ts";
import type { Snapshot, Trainer } from "./trainer.ts";

const PROGRESS_MILLISECONDS = 100;
/** At most this much work is lost with a device. */
const SAVE_MILLISECONDS = 10_000;

/** A moment to come back to: the run's states, and what the epoch had summed up by then. */
export interface SavePoint {
  readonly snapshot: Snapshot;
  readonly totals: Totals;
}

export class EpochRun {
  #totals: Totals;
  #seconds = 0;
  readonly #steps: number;

  constructor(
    readonly trainer: Trainer,
    readonly train: Dataset,
    public saved: SavePoint,
    readonly stepsPerEpoch: number,
    readonly epochsLeft: number,
    readonly options: FitOptions,
  ) {
    this.#totals = saved.totals;
    // A run that was stopped in the middle of an epoch first finishes that epoch.
    this.#steps = stepsPerEpoch - (saved.snapshot.position % stepsPerEpoch);
  }

  result(): TrainMetrics & Pick<EpochRecord, "seconds" | "stepsPerSecond"> {
    return { ...this.#totals.metrics(), seconds: this.#seconds, stepsPerSecond: this.#steps / this.#seconds };
  }

  /** Trains from the save point to the end of the epoch, which becomes the next save point. */
  async *events(epoch: number, aborted: () => boolean): AsyncGenerator<TrainEvent> {
    const { control = new RunControl(), onSteps, signal } = this.options;
    const runner = this.trainer.runner(await this.trainer.trainProgram(this.train));
    const totals = this.saved.totals.copy();
    this.#totals = totals;
    const before = totals.steps;
    const first = runner.position - before;
    const end = first + this.#steps;
    let begun = performance.now();
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
      this.saved = { snapshot: await this.trainer.snapshot(runner.position), totals: totals.copy() };
    };
    try {
      while (runner.position < end && !aborted()) {
        if (control.paused) {
          await settled();
          // Throws when the device was lost meanwhile.
          await runner.program.finished();
          const held = performance.now();
          if (fresh) yield this.#progress(epoch, totals, (held - begun) / 1000 / (totals.steps - before));
          fresh = false;
          await control.wait(signal);
          begun += performance.now() - held;
          continue;
        }
        const from = runner.position;
        await runner.advance(Math.min(end - from, control.allowed));
        control.taken(runner.position - from);
        if (failure !== undefined) throw failure;
        const now = performance.now();
        const due = now - told > PROGRESS_MILLISECONDS;
        if (runner.full) await (reading ?? read());
        else if (due && !fresh) reading ??= readBehind();
        if (now - savedAt > SAVE_MILLISECONDS) {
          await save();
          savedAt = performance.now();
        }
        if (due && fresh && !control.paused) {
          fresh = false;
          told = now;
          yield this.#progress(epoch, totals, (now - begun) / 1000 / (totals.steps - before));
        }
      }
      await settled();
      await runner.drain();
      const seconds = (performance.now() - begun) / 1000;
      this.#seconds += seconds;
      await save();
      if (totals.steps > before) yield this.#progress(epoch, totals, seconds / (totals.steps - before));
    } finally {
      this.trainer.settle(runner);
    }
  }

  #progress(epoch: number, totals: Totals, secondsPerStep: number): TrainEvent {
    const { stepsPerEpoch, epochsLeft } = this;
    return {
      event: "progress",
      epoch,
      step: stepsPerEpoch - this.#steps + totals.steps,
      stepsPerEpoch,
      samplesPerSecond: totals.count / totals.steps / secondsPerStep,
      secondsLeft: secondsPerStep * (this.#steps - totals.steps + epochsLeft * stepsPerEpoch),
      ...totals.metrics(),
    };
  }
}
