/**
 * Who may use a trainer's states: one caller at a time, in the order of calls. A fit has the lock while it takes steps, and
 * passes it on whenever it yields an event or is paused: `evaluate` or `save` called meanwhile see the weights of one step.
 */
import { BusyError } from "../../validation/errors.ts";

export class StateLock {
  #last: Promise<void> = Promise.resolve();
  #release: () => void = () => undefined;
  /** Lock for calls during `replaceWhile`. */
  #inner: StateLock | undefined;
  readonly #joined = new Set<Promise<unknown>>();
  #fitting = false;

  /** Whether other values are in place of the states, by `replaceWhile`. */
  get replaced(): boolean {
    return this.#inner !== undefined;
  }

  /** Does `work` once all earlier callers are done; during `replaceWhile`, once all that were called since are done. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inner !== undefined) return this.#inner.run(work);
    const release = await this.#acquire();
    try {
      return await work();
    } finally {
      release();
    }
  }

  /** Like `run`, for the steps of a fit: they wait for the end of `replaceWhile`. */
  async runSteps<T>(work: () => Promise<T>): Promise<T> {
    this.#release = await this.#acquire();
    try {
      return await work();
    } finally {
      this.#release();
    }
  }

  /** Within `runSteps`: passes the lock on until `work` is done. */
  async releaseWhile<T>(work: () => Promise<T>): Promise<T> {
    this.#release();
    try {
      return await work();
    } finally {
      this.#release = await this.#acquire();
    }
  }

  /** Within `run`, while other values are in place of the states: until `work` is done, `run` serves only calls made since. */
  async replaceWhile<T>(work: () => Promise<T>): Promise<T> {
    const inner = new StateLock();
    this.#inner = inner;
    try {
      return await work();
    } finally {
      while (this.#joined.size > 0) await Promise.allSettled(this.#joined);
      this.#inner = undefined;
      await inner.#acquire();
    }
  }

  /** While `replaced`: does `work` beside that of `replaceWhile`, which then lasts until this is done, too. */
  async join<T>(work: () => Promise<T>): Promise<T> {
    const joined = work();
    this.#joined.add(joined);
    try {
      return await joined;
    } finally {
      this.#joined.delete(joined);
    }
  }

  /** Throws BusyError where another fit is under way, or within `replaceWhile`, which would wait for the fit for ever. */
  beginFit(): void {
    if (this.#fitting) {
      throw new BusyError(
        "fit: another fit of this trainer is under way; await it first, or end it with its signal or by leaving its loop",
      );
    }
    if (this.replaced) throw new BusyError("fit: not within withAverages; await that first");
    this.#fitting = true;
  }

  /** Throws BusyError where a fit is under way, or within `replaceWhile`. */
  checkStep(): void {
    if (this.replaced) throw new BusyError("step: not within withAverages; await that first");
    if (this.#fitting) throw new BusyError("step: a fit of this trainer is under way; await it first");
  }

  endFit(): void {
    this.#fitting = false;
  }

  /**
   * Throws BusyError where states must not be loaded from `file`, which is of step `to`: within `replaceWhile`, and during a fit
   * that stands at another step. `wholeRun`: the file replaces the whole run, which is never possible during a fit.
   */
  checkLoad(file: string, to: number, from: number, wholeRun: boolean): void {
    if (this.replaced)
      throw new BusyError(`${file}: can't be loaded within withAverages; await its end first`);
    if (this.#fitting && (wholeRun || to !== from)) {
      throw new BusyError(
        `${file}: is of step ${to}; a fit is under way at step ${from}, which can't be moved: end it first, or load ` +
          "parameters alone with loadStateDict",
      );
    }
  }

  /** Resolves with a function that releases the lock, once all earlier callers have released it. */
  async #acquire(): Promise<() => void> {
    const before = this.#last;
    let release = (): void => undefined;
    this.#last = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    return release;
  }
}
