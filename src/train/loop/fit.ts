/** What `fit` returns: a running training, as a promise of its history and as a stream of its events. */
import { BusyError } from "../../validation/errors.ts";
import type { Callback, History, TrainEvent } from "./events.ts";
import type { StateLock } from "./state-lock.ts";

/**
 * A run of training: a promise of its History that can be iterated over for its events. It begins by itself. With
 * `for await` it goes on as events are taken, and ends where the loop is left, with the History of that moment. Callbacks are
 * called with every event first; where one throws, the run ends and rejects with that.
 */
export interface Fit extends Promise<History>, AsyncIterable<TrainEvent> {}

/** How far a run has come. */
export interface Progress {
  /** For a caller who leaves the run early. */
  history: () => History;
}

type Events = AsyncGenerator<TrainEvent, History>;

/** Starts the run whose events `begin` generates. */
export function startFit(
  lock: StateLock,
  begin: (progress: Progress) => Events,
  callbacks: readonly Callback[],
): Fit {
  const run = new Run(lock, begin, callbacks);
  return Object.defineProperties(run.history, {
    [Symbol.asyncIterator]: { value: () => run.iterate() },
    [Symbol.toStringTag]: { value: "Fit" },
  }) as Fit;
}

class Run {
  readonly history: Promise<History>;
  readonly #events: Events;
  readonly #progress: Progress = { history: () => ({ epochs: [], aborted: true }) };
  #resolve: (history: History) => void = () => undefined;
  #reject: (reason: unknown) => void = () => undefined;
  /** Events before the iteration began; of progress events only the latest. */
  readonly #missed: TrainEvent[] = [];
  #drained: Promise<void> = Promise.resolve();
  #iterated = false;
  #over = false;

  constructor(
    readonly lock: StateLock,
    begin: (progress: Progress) => Events,
    readonly callbacks: readonly Callback[],
  ) {
    this.history = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#events = begin(this.#progress);
    try {
      lock.beginFit();
    } catch (error) {
      this.#over = true;
      this.#reject(error);
    }
    queueMicrotask(() => {
      if (!this.#iterated) this.#drained = this.#drain();
    });
  }

  /** The events from the first on. Throws BusyError on a second iteration. */
  async *iterate(): AsyncGenerator<TrainEvent, History> {
    if (this.#iterated)
      throw new BusyError("fit: its events can be iterated over once; use callbacks for a second listener");
    this.#iterated = true;
    // The loop gets failures from the iterator.
    this.history.catch(() => undefined);
    try {
      await this.#drained;
      yield* this.#missed.splice(0);
      while (!this.#over) {
        const next = await this.#next();
        if (next.done !== true) yield next.value;
      }
    } finally {
      if (!this.#over) await this.#leave(() => this.#resolve({ ...this.#progress.history(), aborted: true }));
    }
    return this.history;
  }

  /** Runs without an iteration, until one begins. */
  async #drain(): Promise<void> {
    while (!this.#iterated && !this.#over) {
      // The promise of the History rejects with a failure.
      const next = await this.#next().catch(() => undefined);
      if (next === undefined || next.done === true) return;
      if (next.value.event === "progress" && this.#missed.at(-1)?.event === "progress") this.#missed.pop();
      this.#missed.push(next.value);
    }
  }

  /** The next event, after all callbacks. */
  async #next(): Promise<IteratorResult<TrainEvent, History>> {
    try {
      const next = await this.lock.runSteps(() => this.#events.next());
      if (next.done === true) this.#end(() => this.#resolve(next.value));
      else for (const callback of this.callbacks) await callback(next.value);
      return next;
    } catch (error) {
      await this.#leave(() => this.#reject(error));
      throw error;
    }
  }

  /** Ends the run early, so that it releases the lock of its checkpoint folder. */
  async #leave(end: () => void): Promise<void> {
    // An error here is a consequence of what ended the run, which is reported already.
    await this.lock.runSteps(() => this.#events.return(undefined as never)).catch(() => undefined);
    this.#end(end);
  }

  #end(end: () => void): void {
    this.#over = true;
    this.lock.endFit();
    end();
  }
}
