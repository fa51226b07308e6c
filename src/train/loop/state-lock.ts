/**
 * Who uses a trainer's states: one after another. A fit has the turn while it takes steps, and leaves it to others whenever
 * it gives an event or is paused, so that `evaluate` or `save` called meanwhile see the weights of one step.
 */
import { BusyError } from "../../common/errors.ts";

export class Turns {
  #last: Promise<void> = Promise.resolve();
  #pass: () => void = () => undefined;
  #inner: Turns | undefined;
  readonly #joined = new Set<Promise<unknown>>();
  #fitting = false;

  /** Whether a fit is under way, be it between two of its events. */
  get fitting(): boolean {
    return this.#fitting;
  }

  /** Whether work is under way for the time of which the states are others: see `nest`. */
  get nested(): boolean {
    return this.#inner !== undefined;
  }

  /** Does `work` once all who came before are done; within `nest`, among those who came since. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inner !== undefined) return this.#inner.run(work);
    const pass = await this.#wait();
    try {
      return await work();
    } finally {
      pass();
    }
  }

  /** As `run`, for steps of a fit: those never come within `nest`. */
  async runSteps<T>(work: () => Promise<T>): Promise<T> {
    this.#pass = await this.#wait();
    try {
      return await work();
    } finally {
      this.#pass();
    }
  }

  /** Within `runSteps`: leaves the turn to others until `work` is done. */
  async aside<T>(work: () => Promise<T>): Promise<T> {
    this.#pass();
    try {
      return await work();
    } finally {
      this.#pass = await this.#wait();
    }
  }

  /** Within `run`: until `work` is done, `run` does only what comes meanwhile, and all of that. */
  async nest<T>(work: () => Promise<T>): Promise<T> {
    const inner = new Turns();
    this.#inner = inner;
    try {
      return await work();
    } finally {
      while (this.#joined.size > 0) await Promise.allSettled(this.#joined);
      this.#inner = undefined;
      await inner.#wait();
    }
  }

  /** While `nested`: does `work` beside that of `nest`, which then also lasts until this is done. */
  async join<T>(work: () => Promise<T>): Promise<T> {
    const joined = work();
    this.#joined.add(joined);
    try {
      return await joined;
    } finally {
      this.#joined.delete(joined);
    }
  }

  /** A fit begins. Throws BusyError where another one is under way, or where that would never get a turn. */
  beginFit(): void {
    if (this.#fitting) {
      throw new BusyError(
        "fit: another fit of this trainer is under way; await it first, or end it with its signal or by leaving its loop",
      );
    }
    if (this.nested) throw new BusyError("fit: not within withAverages; await that first");
    this.#fitting = true;
  }

  endFit(): void {
    this.#fitting = false;
  }

  /** Throws BusyError where states can't be taken from a file of step `to`; `anew`: whether those of a whole other run. */
  checkMove(file: string, to: number, from: number, anew: boolean): void {
    if (this.nested) throw new BusyError(`${file}: can't be loaded within withAverages; await its end first`);
    if (this.#fitting && (anew || to !== from)) {
      throw new BusyError(
        `${file}: is of step ${to}; a fit is under way at step ${from}, which can't be moved: end it first, or load ` +
          "parameters alone with loadStateDict",
      );
    }
  }

  async #wait(): Promise<() => void> {
    const before = this.#last;
    let pass = (): void => undefined;
    this.#last = new Promise((resolve) => {
      pass = resolve;
    });
    await before;
    return pass;
  }
}
