/**
 * The training loop: epochs of submits, events on the way, evaluation after each epoch. A lost device is replaced
 * and training goes on from the last save point.
 */
import type { Dataset } from "../data/dataset.ts";
import { DeviceLostError } from "../errors.ts";
import { EpochRun } from "./epoch.ts";
import type { Callback, EpochRecord, History, Metrics, TrainEvent } from "./events.ts";
import type { FitOptions } from "./options.ts";
import { Totals } from "./totals.ts";
import type { Trainer } from "./trainer.ts";

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
  const { stepsPerEpoch, layout } = await trainer.trainProgram(train);
  const records: EpochRecord[] = [];
  yield { event: "start", epochs, stepsPerEpoch, samples: train.count, parameters: trainer.parameterCount };
  const aborted = () => signal?.aborted === true;
  let snapshot = await trainer.snapshot(trainer.steps);
  for (let epoch = 1; epoch <= epochs && !aborted(); epoch++) {
    const start = { snapshot, totals: new Totals(layout) };
    const run = new EpochRun(trainer, train, start, stepsPerEpoch, epochs - epoch, options);
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
    snapshot = run.saved.snapshot;
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

function renamed(val: Metrics | undefined): Pick<EpochRecord, "val" | "valLoss" | "valAccuracy"> {
  if (val === undefined) return {};
  return { val, valLoss: val.loss, ...(val.accuracy === undefined ? {} : { valAccuracy: val.accuracy }) };
}
