/**
 * What becomes of a run when its device is lost: it goes on on another one from the values that host memory has of its
 * states. Those are the last snapshot's and what was written since; steps after it are taken again or said to be lost.
 */
import { DeviceLostError } from "../../common/errors.ts";
import { warn } from "../../common/printable.ts";
import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { RunPrograms } from "../step/program-source.ts";
import type { StateValues } from "./state-values.ts";

/** A device that is lost this often without getting further is not worth another try. */
export const MOST_LOSSES = 3;

/** A device was lost, and the run goes on on another one. */
export interface Recovered {
  /** The step that the run stands at now. */
  readonly step: number;
  /** How the device was lost. */
  readonly message: string;
  /** The device in use now. */
  readonly adapter: string;
}

export class Recovery {
  /** The step that host memory has the states of. */
  savedAt = 0;
  /** True while steps are being submitted: then only their loop recovers. */
  stepping = false;
  /** Hears of each replaced device. */
  hear: (recovered: Recovered) => void;

  /** `moveBack`: told the step that the run goes on from; `onNotice`: hears of each replaced device. */
  constructor(
    readonly values: StateValues,
    readonly programs: RunPrograms,
    readonly states: readonly Tensor[],
    readonly moveBack: (step: number) => void,
    onNotice: (line: string) => void = warn,
  ) {
    this.hear = ({ step, message, adapter }) =>
      onNotice(`${message}; going on with ${adapter} from step ${step}`);
  }

  /**
   * Does `work`, and again on another device if this one is lost meanwhile. Rejects with a DeviceLostError where steps are
   * being submitted, the device was closed, no other one can be opened, or that one is lost again and again.
   */
  async survive<T>(work: () => Promise<T>): Promise<T> {
    for (let losses = 1; ; losses++) {
      this.values.check();
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof DeviceLostError) || this.stepping || losses > MOST_LOSSES) throw error;
        await this.replace(error);
      }
    }
  }

  /** Values of states after `position` steps; while the device is lost those of host memory, if they are of that step. */
  async readAll(tensors: readonly Tensor[], position: number): Promise<Map<Tensor, Data>> {
    try {
      return await this.values.readAll(tensors);
    } catch (error) {
      if (!(error instanceof DeviceLostError) || this.stepping || this.values.backend.closed) throw error;
      const known = position === this.savedAt && tensors.every((t) => this.values.hasCopy(t));
      if (known) return new Map(tensors.map((t) => [t, this.values.copyOf(t).slice()]));
      await this.replace(error);
      return this.survive(() => this.values.readAll(tensors));
    }
  }

  /**
   * Opens another device in place of a lost one, and goes back to `snapshot`, else to what host memory has. Throws a
   * DeviceLostError where there is no other, or where a state has been on the device only.
   */
  async replace(
    lost: DeviceLostError,
    snapshot?: { readonly position: number; readonly values: ReadonlyMap<Tensor, Data> },
  ): Promise<void> {
    const { backend } = this.values;
    if (backend.isLost) {
      if (backend.closed || backend.reopen === undefined) throw lost;
      this.values.checkCopies(lost);
      const next = await backend.reopen().catch((cause: unknown) => {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new DeviceLostError(`${lost.message}; no other can be opened: ${reason}`, { cause });
      });
      // Somebody else who noticed the loss may have been quicker.
      if (this.values.backend !== backend) return this.replace(lost, snapshot);
      this.values.moveTo(next, this.states);
      this.programs.clear();
      this.moveBack(this.savedAt);
    } else if (snapshot === undefined) return;
    if (snapshot !== undefined) {
      this.values.restore(snapshot.values);
      this.savedAt = snapshot.position;
      this.moveBack(snapshot.position);
    }
    this.hear({ step: this.savedAt, message: lost.message, adapter: this.values.backend.adapter });
  }
}
