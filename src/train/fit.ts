/** The training loop: epochs of submits, events on the way, evaluation after each epoch. */
import type { Dataset } from "../data/dataset.ts";
import type { Callback, EpochRecord, History, TrainEvent } from "./events.ts";
import type { FitOptions, Trainer, TrainProgram } from "./trainer.ts";
import type { StepRunner } from "./runner.ts";
import { Totals } from "./totals.ts";

const PROGRESS_MILLISECONDS = 100;

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
  const program = await trainer.trainProgram(train);
  const { stepsPerEpoch } = program;
  const epochs: EpochRecord[] = [];
  yield {
    event: "start",
    epochs: options.epochs,
    stepsPerEpoch,
    samples: train.count,
    parameters: trainer.parameterCount,
  };
  const aborted = () => options.signal?.aborted === true;
  for (let epoch = 1; epoch <= options.epochs && !aborted(); epoch++) {
    const begun = performance.now();
    const runner = trainer.runner(program);
    // A run that was stopped in the middle of an epoch first finishes that epoch.
    const steps = stepsPerEpoch - (runner.position % stepsPerEpoch);
    const totals = new Totals(program.sums);
    const epochsLeft = options.epochs - epoch;
    try {
      yield* runEpoch(runner, program, steps, totals, { epoch, epochsLeft, aborted });
    } finally {
      trainer.settle(runner);
    }
    if (aborted()) break;
    const seconds = (performance.now() - begun) / 1000;
    const record = { epoch, ...totals.metrics(), seconds, stepsPerSecond: steps / seconds };
    const val = options.validation === undefined ? undefined : await trainer.evaluate(options.validation);
    const full: EpochRecord = {
      ...record,
      ...(val === undefined ? {} : { valLoss: val.loss }),
      ...(val?.accuracy === undefined ? {} : { valAccuracy: val.accuracy }),
    };
    epochs.push(full);
    yield { event: "epoch", ...full };
  }
  const history: History = { epochs, aborted: aborted() };
  yield { event: "end", history };
  return history;
}

interface EpochState {
  readonly epoch: number;
  readonly epochsLeft: number;
  readonly aborted: () => boolean;
}

/** Submits `steps` steps and yields progress from whatever the ring has told so far. */
async function* runEpoch(
  runner: StepRunner,
  { stepsPerEpoch }: TrainProgram,
  steps: number,
  totals: Totals,
  { epoch, epochsLeft, aborted }: EpochState,
): AsyncGenerator<TrainEvent> {
  const { position: first } = runner;
  const begun = performance.now();
  let told = begun;
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
  while (runner.position - first < steps && !aborted()) {
    await runner.advance(steps - (runner.position - first));
    if (failure !== undefined) throw failure;
    const due = performance.now() - told > PROGRESS_MILLISECONDS;
    if (runner.full) await (reading ?? read());
    else if (due && !fresh) reading ??= readBehind();
    if (due && fresh) {
      told = performance.now();
      fresh = false;
      const seconds = (told - begun) / 1000;
      yield {
        event: "progress",
        epoch,
        step: stepsPerEpoch - steps + totals.steps,
        stepsPerEpoch,
        samplesPerSecond: totals.count / seconds,
        secondsLeft: (seconds / totals.steps) * (steps - totals.steps + epochsLeft * stepsPerEpoch),
        ...totals.metrics(),
      };
    }
  }
  await reading;
  if (failure !== undefined) throw failure;
  await runner.drain();
  await read();
}
