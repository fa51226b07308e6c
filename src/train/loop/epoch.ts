/**
 * Takes the steps of an epoch, or of a part of one: submits them, reads their metrics while later ones run, and keeps a recent
 * save point to which the run returns when its device is lost.
 */
import type { TrainingData } from "../../data/sharded.ts";
import type { MetricAccumulator } from "../metrics/accumulator.ts";
import { checkFinite } from "../metrics/divergence.ts";
import type { Snapshot } from "../state/device-states.ts";
import { RunControl } from "./control.ts";
import type { EpochRecord, TrainEvent, TrainMetrics } from "./events.ts";
import type { FitOptions } from "./options.ts";
import type { EpochPlan } from "./run-plan.ts";
import type { TrainerCore } from "./trainer-core.ts";

const PROGRESS_MILLISECONDS = 100;
/** Time between save points: the work that is lost with a device. */
const SAVE_MILLISECONDS = 10_000;

/** A moment to return to: the run's states, and the metrics of the epoch until then. */
export interface SavePoint {
  readonly snapshot: Snapshot;
  readonly metrics: MetricAccumulator;
  /** Training time of the epoch so far. */
  readonly seconds: number;
}

/** Writes save points to files when it is time. */
export interface Saver {
  due(): boolean;
  write(point: SavePoint): Promise<void>;
}

export class EpochRun {
  constructor(
    readonly trainer: TrainerCore,
    readonly train: TrainingData,
    public saved: SavePoint,
    readonly plan: EpochPlan,
    readonly options: FitOptions,
    readonly saver: Saver,
  ) {}

  /** The metrics of the epoch at the save point. */
  result(): TrainMetrics & Pick<EpochRecord, "seconds" | "stepsPerSecond"> {
    const { metrics, seconds } = this.saved;
    return { ...metrics.metrics(), seconds, stepsPerSecond: metrics.steps / seconds };
  }

  /** Trains from the save point until step `until` of the run, which becomes the next save point. */
  async *events(until: number, aborted: () => boolean): AsyncGenerator<TrainEvent> {
    const { control = new RunControl(), onSteps, signal } = this.options;
    const runner = this.trainer.runner(await this.trainer.trainProgram(this.train));
    const metrics = this.saved.metrics.copy();
    const { seconds: secondsBefore } = this.saved;
    const stepsBefore = metrics.steps;
    const first = runner.position - stepsBefore;
    let begun = performance.now();
    const elapsed = () => (performance.now() - begun) / 1000;
    /** Training time up to the latest row of metrics; steps submitted since then have no rows yet. */
    let readSeconds = 0;
    // The first progress is reported as soon as there is any.
    let reportedAt = Number.NEGATIVE_INFINITY;
    let savedAt = begun;
    /** Whether metrics were read that no event has reported. */
    let unreported = false;
    let reading: Promise<void> | undefined;
    let failure: unknown;
    const read = async (): Promise<void> => {
      const from = first + metrics.steps;
      if (from === runner.position) return;
      const rows = await runner.collect();
      readSeconds = elapsed();
      metrics.add(rows, from);
      unreported ||= rows.length > 0;
      if (rows.length > 0) onSteps?.(from, metrics.metricsOf(rows));
    };
    const readMeanwhile = async (): Promise<void> => {
      try {
        await read();
      } catch (error) {
        failure = error;
      } finally {
        reading = undefined;
      }
    };
    const readAll = async (): Promise<void> => {
      await reading;
      if (failure !== undefined) throw failure;
      await read();
    };
    const save = async (): Promise<void> => {
      await readAll();
      const seconds = secondsBefore + elapsed();
      const snapshot = await this.trainer.snapshot(runner.position);
      checkFinite(this.trainer, snapshot.values, snapshot.position);
      this.saved = { snapshot, metrics: metrics.copy(), seconds };
    };
    const progress = (): TrainEvent => {
      unreported = false;
      return this.#progress(metrics, readSeconds / (metrics.steps - stepsBefore));
    };
    try {
      while (runner.position < until && !aborted()) {
        if (control.paused) {
          // A pause may be long: save, so that no steps are lost with the device.
          if (this.saved.snapshot.position < runner.position) await save();
          // Throws where the device was lost meanwhile.
          await runner.program.finished();
          const pausedAt = performance.now();
          if (unreported) yield progress();
          yield { event: "paused", epoch: this.plan.epoch, step: runner.position };
          await this.trainer.lock.releaseWhile(() => control.wait(signal));
          begun += performance.now() - pausedAt;
          continue;
        }
        const from = runner.position;
        await runner.advance(Math.min(until - from, control.allowed));
        control.taken(runner.position - from);
        if (failure !== undefined) throw failure;
        const now = performance.now();
        const due = now - reportedAt > PROGRESS_MILLISECONDS;
        if (runner.full) await (reading ?? read());
        else if (due && !unreported) reading ??= readMeanwhile();
        const writeFile = this.saver.due();
        if (writeFile || now - savedAt > SAVE_MILLISECONDS) {
          await save();
          if (writeFile) await this.saver.write(this.saved);
          savedAt = performance.now();
        }
        if (due && unreported && !control.paused) {
          reportedAt = now;
          yield progress();
        }
      }
      await readAll();
      await runner.drain();
      await save();
      if (metrics.steps > stepsBefore) yield progress();
    } finally {
      this.trainer.finish(runner);
      // Also where the run is left early, what is under way ends before anything else begins.
      await reading;
      await runner.drain().catch(() => undefined);
    }
  }

  #progress(metrics: MetricAccumulator, secondsPerStep: number): TrainEvent {
    const { epoch, dataBegin, begin, end, runEnd } = this.plan;
    const position = begin + metrics.steps;
    return {
      event: "progress",
      epoch,
      step: position - dataBegin,
      stepsPerEpoch: end - dataBegin,
      samplesPerSecond: metrics.count / metrics.steps / secondsPerStep,
      secondsLeft: secondsPerStep * (runEnd - position),
      ...metrics.metrics(),
    };
  }
}
