/** A run of training as its caller holds it. */
import type { Callback, History, TrainEvent } from "./events.ts";

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
    try {
      for (;;) {
        const next = await this.events.next();
        if (next.done === true) return next.value;
        for (const callback of this.callbacks) await callback(next.value);
        yield next.value;
      }
    } finally {
      // Left early: what the run holds (the lock of its checkpoints) is given back.
      await this.events.return(undefined as never);
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
