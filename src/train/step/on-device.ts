/** What a trainer is in relation to its device: it outlives one that is lost, and gives back what it has there. */

import { ClosedError } from "../../common/errors.ts";
import type { GraphSpec } from "../../graph/graph.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Program } from "../../runtime/backend.ts";
import { type Recovered, Recovery } from "../state/recovery.ts";
import type { StateValues } from "../state/state-values.ts";
import type { RunPrograms } from "./program-source.ts";

export abstract class OnDevice {
  protected readonly recovery: Recovery;
  #destroyed = false;

  /** `states`: all of the run; `onNotice`: hears of each replaced device. */
  protected constructor(
    protected readonly values: StateValues,
    protected readonly programs: RunPrograms,
    states: readonly Tensor[],
    onNotice: ((line: string) => void) | undefined,
  ) {
    this.recovery = new Recovery(values, programs, states, (step) => this.moveBack(step), onNotice);
  }

  /** Goes back to `step` after a lost device. */
  protected abstract moveBack(step: number): void;

  /**
   * Any graph over this run's parameters and states, compiled for the device in use (`backend`, which changes after a
   * loss). It may run at any time, also between the steps of `fit`, and sees the weights as they are then.
   */
  compile(spec: GraphSpec): Promise<Program> {
    return this.survive(() => this.programs.compile(spec));
  }

  /**
   * Does `work`, and all of it again on another device (`backend`) if this one is lost meanwhile: the run then goes on from
   * its last snapshot. Between the steps of `fit` a lost device is replaced by that alone, and `work` rejects.
   */
  async survive<T>(work: () => Promise<T>): Promise<T> {
    this.checkThere();
    return this.recovery.survive(work);
  }

  /** Makes `hear` the listener for replaced devices; returns the previous listener. */
  hearRecoveries(hear: (recovered: Recovered) => void): (recovered: Recovered) => void {
    const before = this.recovery.hear;
    this.recovery.hear = hear;
    return before;
  }

  /**
   * Gives back what this trainer has on the device: its programs, also those of `compile`, moments, data sets, and parameters
   * that no other program uses. Their values of the last step of `fit`, or since written, stay in host memory for the program that
   * trains the same model next. Throws ClosedError when it is used afterwards; a `fit` that goes on rejects with that.
   */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.programs.destroy();
    this.values.release(this.recovery.states);
  }

  /** `destroy`, for `using`. */
  [Symbol.dispose](): void {
    this.destroy();
  }

  /** `destroy`, once what was started is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { backend } = this.values;
    if (!backend.isLost && !backend.closed) await backend.finished?.();
    this.destroy();
  }

  /** Throws ClosedError once it is destroyed. */
  protected checkThere(): void {
    if (this.#destroyed) throw new ClosedError("trainer: was destroyed; create another one");
  }
}
