/** A run of training as its caller holds it. */
import { BusyError } from "../../common/errors.ts";
import type { Callback, History, TrainEvent } from "./events.ts";
import type { Turns } from "./state-lock.ts";

/** What a run has come to, for who leaves it early. */
export interface Progress {
  history: () => History;
}

type Events = AsyncGenerator<TrainEvent, History>;

/**
 * A run of training: a promise of its History that can be iterated over for its events. It begins by itself; with
 * `for await` it goes on as events are taken, and ends where the loop is left: the History is then of that moment.
 * Callbacks hear every event first. Where one of them throws, the run ends and rejects with that.
 */
export class Fit implements AsyncIterable<TrainEvent>, Promise<History> {
  readonly [Symbol.toStringTag] = "Fit";
  readonly #callbacks: readonly Callback[];
  readonly #turns: Turns;
  readonly #events: Events;
  readonly #progress: Progress = { history: () => ({ epochs: [], aborted: true }) };
  readonly #history: Promise<History>;
  #resolve: (history: History) => void = () => undefined;
  #reject: (reason: unknown) => void = () => undefined;
  /** Events from before the iteration began; of progress events only the latest. */
  readonly #missed: TrainEvent[] = [];
  #drained: Promise<void> = Promise.resolve();
  #iterated = false;
  #over = false;

  constructor(turns: Turns, begin: (progress: Progress) => Events, callbacks: readonly Callback[]) {
    this.#turns = turns;
    this.#callbacks = callbacks;
    this.#history = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#events = begin(this.#progress);
    try {
      turns.beginFit();
    } catch (error) {
      this.#over = true;
      this.#reject(error);
    }
    queueMicrotask(() => {
      if (!this.#iterated) this.#drained = this.#drain();
    });
  }

  /** The events from the first on. Throws BusyError on a second iteration. */
  async *[Symbol.asyncIterator](): AsyncGenerator<TrainEvent, History> {
    if (this.#iterated)
      throw new BusyError("fit: its events are given once; use callbacks to hear them twice");
    this.#iterated = true;
    // Who iterates is told of failures there.
    this.#history.catch(() => undefined);
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
    return this.#history;
  }

  // biome-ignore lint/suspicious/noThenProperty: awaiting a run for its history is this class's purpose.
  then<A = History, B = never>(
    fulfilled?: ((history: History) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#history.then(fulfilled, rejected);
  }

  catch<B = never>(rejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<History | B> {
    return this.#history.catch(rejected);
  }

  finally(settled?: (() => void) | null): Promise<History> {
    return this.#history.finally(settled);
  }

  async #drain(): Promise<void> {
    while (!this.#iterated && !this.#over) {
      // The promise of the History tells of a failure.
      const next = await this.#next().catch(() => undefined);
      if (next === undefined || next.done === true) return;
      if (next.value.event === "progress" && this.#missed.at(-1)?.event === "progress") this.#missed.pop();
      this.#missed.push(next.value);
    }
  }

  /** The next event, once callbacks have heard it. */
  async #next(): Promise<IteratorResult<TrainEvent, History>> {
    try {
      const next = await this.#turns.runSteps(() => this.#events.next());
      if (next.done === true) this.#end(() => this.#resolve(next.value));
      else for (const callback of this.#callbacks) await callback(next.value);
      return next;
    } catch (error) {
      await this.#leave(() => this.#reject(error));
      throw error;
    }
  }

  /** Has the run give back what it holds (the lock of its checkpoints), and ends it. */
  async #leave(end: () => void): Promise<void> {
    // What is thrown here follows from why the run is left.
    await this.#turns.runSteps(() => this.#events.return(undefined as never)).catch(() => undefined);
    this.#end(end);
  }

  #end(end: () => void): void {
    this.#over = true;
    this.#turns.endFit();
    end();
  }
}
