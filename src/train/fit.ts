/**
 * The training loop: epochs of submits, events on the way, evaluation after each epoch. A lost device is replaced and
 * training goes on from the last save point.
 */
import type { Dataset } from "../data/dataset.ts";
import { DeviceLostError } from "../errors.ts";
import type { Callback, EpochRecord, History, Metrics, TrainEvent } from "./events.ts";
import { Totals } from "./totals.ts";
import type { FitOptions, Snapshot, Trainer } from "./trainer.ts";

const PROGRESS_MILLISECONDS = 100;
/** At most this much work is lost with a device. */
const SAVE_MILLISECONDS = 10_000;
/** A device that is lost this often without getting further is not worth another try. */
const MOST_LOSSES = 3;

/**
 * A run of training: iterate over it for its events, or await it for its History. Callbacks hear every event first.
 * It trains only while somebody iterates or awaits.
 */
export class Fit implements AsyncIterable<TrainEvent>, PromiseLike<History> {
  #whole: Promise<History> | undefined;

  constructor(
    readonly events: AsyncGenerator<TrainEvent, History>,
    readonly callbacks: readonly Callback[],
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<TrainEvent, History> {
    for (;;) {
      const next = await this.events.next();
      if (next.done === true) return next.value;
      for (const callback of this.callbacks) await callback(next.value);
      yield next.value;
    }
  }

  // biome-ignore lint/suspicious/noThenProperty: awaiting a run for its history is this class's purpose.
  then<A = History, B = never>(
    fulfilled?: ((history: History) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#whole ??= this.#drain();
    return this.#whole.then(fulfilled, rejected);
  }

  async #drain(): Promise<History> {
    const events = this[Symbol.asyncIterator]();
    for (;;) {
      const next = await events.next();
      if (next.done === true) return next.value;
    }
  }
}

export async function* fit(
  trainer: Trainer,
  train: Dataset,
  options: FitOptions,
): AsyncGenerator<TrainEvent, History> {
  const { epochs, signal } = options;
  const { stepsPerEpoch, sums } = await trainer.trainProgram(train);
  const records: EpochRecord[] = [];
  yield { event: "start", epochs, stepsPerEpoch, samples: train.count, parameters: trainer.parameterCount };
  const aborted = () => signal?.aborted === true;
  for (let epoch = 1; epoch <= epochs && !aborted(); epoch++) {
    const run = new EpochRun(
      trainer,
      train,
      await savePoint(trainer, new Totals(sums)),
      stepsPerEpoch,
      epochs - epoch,
    );
    for (let losses = 0; ; ) {
      const { position } = run.saved.snapshot;
      try {
        yield* run.events(epoch, aborted);
        if (aborted()) break;
        const val = await validate(trainer, options);
        const record = { epoch, ...run.result(), ...renamed(val) };
        records.push(record);
        yield { event: "epoch", ...record };
        break;
      } catch (error) {
        losses = run.saved.snapshot.position > position ? 1 : losses + 1;
        if (!(error instanceof DeviceLostError) || losses > MOST_LOSSES) throw error;
        await trainer.recover(run.saved.snapshot, error);
        yield { event: "recovered", epoch, step: trainer.steps, message: error.message };
      }
    }
  }
  const history: History = { epochs: records, aborted: aborted() };
  yield { event: "end", history };
  return history;
}

/** Metrics of the validation set; none without such a set, or when the run is aborted meanwhile. */
async function validate(trainer: Trainer, { validation, signal }: FitOptions): Promise<Metrics | undefined> {
  if (validation === undefined) return undefined;
  try {
    return await trainer.evaluate(validation, signal === undefined ? {} : { signal });
  } catch (error) {
    if (error !== signal?.reason) throw error;
    return undefined;
  }
}

function renamed(val: Metrics | undefined): Pick<EpochRecord, "valLoss" | "valAccuracy"> {
  if (val === undefined) return {};
  return { valLoss: val.loss, ...(val.accuracy === undefined ? {} : { valAccuracy: val.accuracy }) };
}

/** A moment to come back to: the run's states, and what the epoch had summed up by then. */
interface SavePoint {
  readonly snapshot: Snapshot;
  readonly totals: Totals;
}

async function savePoint(trainer: Trainer, totals: Totals, position = trainer.steps): Promise<SavePoint> {
  return { snapshot: await trainer.snapshot(position), totals: totals.copy() };
}

/** One epoch: submits its steps, reads the ring behind them, and keeps a save point that is not too old. */
class EpochRun {
  #totals: Totals;
  #seconds = 0;
  readonly #steps: number;

  constructor(
    readonly trainer: Trainer,
    readonly train: Dataset,
    public saved: SavePoint,
    readonly stepsPerEpoch: number,
    readonly epochsLeft: number,
  ) {
    this.#totals = saved.totals;
    // A run that was stopped in the middle of an epoch first finishes that epoch.
    this.#steps = stepsPerEpoch - (saved.snapshot.position % stepsPerEpoch);
  }

  result(): Metrics & Pick<EpochRecord, "seconds" | "stepsPerSecond"> {
    return { ...this.#totals.metrics(), seconds: this.#seconds, stepsPerSecond: this.#steps / this.#seconds };
  }

  /** Trains from the save point to the end of the epoch. */
  async *events(epoch: number, aborted: () => boolean): AsyncGenerator<TrainEvent> {
    const runner = this.trainer.runner(await this.trainer.trainProgram(this.train));
    const totals = this.saved.totals.copy();
    this.#totals = totals;
    const before = totals.steps;
    const first = runner.position - before;
    const end = first + this.#steps;
    const begun = performance.now();
    // The first progress is told as soon as there is any.
    let told = Number.NEGATIVE_INFINITY;
    let savedAt = begun;
    let reading: Promise<void> | undefined;
    let failure: unknown;
    let fresh = false;
    const read = async (): Promise<void> => {
      const from = first + totals.steps;
      totals.add(await runner.collect(), from);
      fresh = totals.steps > 0;
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
    try {
      while (runner.position < end && !aborted()) {
        await runner.advance(end - runner.position);
        if (failure !== undefined) throw failure;
        const now = performance.now();
        const due = now - told > PROGRESS_MILLISECONDS;
        if (runner.full) await (reading ?? read());
        else if (due && !fresh) reading ??= readBehind();
        if (now - savedAt > SAVE_MILLISECONDS) {
          await settled();
          this.saved = await savePoint(this.trainer, totals, runner.position);
          savedAt = performance.now();
        }
        if (due && fresh) {
          fresh = false;
          told = now;
          yield this.#progress(epoch, totals, (now - begun) / 1000 / (totals.steps - before));
        }
      }
      await settled();
      await runner.drain();
      this.#seconds = (performance.now() - begun) / 1000;
      if (totals.steps > before) yield this.#progress(epoch, totals, this.#seconds / (totals.steps - before));
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
