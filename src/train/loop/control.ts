/** Pauses a run of training, resumes it, and takes single steps. Results stay the same, bit for bit. */
import { ValueError } from "../../validation/errors.ts";
import { shown } from "../../validation/options.ts";

/** Give it to `fit` as `control`, and call it while the run goes on. */
export class RunControl {
  /** Steps that may be taken until the next pause; Infinity without one. */
  #allowed: number;
  #waiting: (() => void)[] = [];

  /** `paused`: whether the run waits before its first step. */
  constructor(paused = false) {
    if (typeof paused !== "boolean") {
      throw new ValueError(`control: paused must be true or false, got ${shown(paused)}`);
    }
    this.#allowed = paused ? 0 : Number.POSITIVE_INFINITY;
  }

  get paused(): boolean {
    return this.#allowed === 0;
  }

  /** The run pauses after the steps that are under way. Their events still come. */
  pause(): void {
    this.#allowed = 0;
  }

  resume(): void {
    this.#allow(Number.POSITIVE_INFINITY);
  }

  /**
   * Takes `count` steps and pauses again; 0 only checks whether the device is lost. Throws ValueError on a count that is no
   * whole number.
   */
  step(count = 1): void {
    if (!Number.isSafeInteger(count) || count < 0) {
      throw new ValueError(`control: step takes a whole number of at least 0, got ${count}`);
    }
    this.#allow(Number.isFinite(this.#allowed) ? this.#allowed + count : count);
  }

  /** For the run: number of steps that it may take now. */
  get allowed(): number {
    return this.#allowed;
  }

  /** For the run: `steps` have been taken. */
  taken(steps: number): void {
    this.#allowed = Math.max(0, this.#allowed - steps);
  }

  /** For the run: resolves when `resume` or `step` is called, or when `signal` is aborted. */
  async wait(signal?: AbortSignal): Promise<void> {
    if (this.#allowed > 0 || signal?.aborted) return;
    let wake: () => void = () => undefined;
    await new Promise<void>((resolve) => {
      wake = resolve;
      this.#waiting.push(wake);
      signal?.addEventListener("abort", wake, { once: true });
    });
    signal?.removeEventListener("abort", wake);
  }

  #allow(steps: number): void {
    this.#allowed = steps;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
