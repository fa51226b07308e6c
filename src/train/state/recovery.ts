/**
 * Continues a run on another device when its device is lost, from the values that host memory has of its states: those of the
 * last snapshot, and what the host wrote since. Steps after the snapshot are taken again.
 */
import { DeviceLostError } from "../../common/errors.ts";
import { warn } from "../../common/printable.ts";
import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { ProgramSource } from "../step/program-source.ts";
import type { StateValues } from "./state-values.ts";

/** After so many losses without a step in between, the run ends. */
export const MOST_LOSSES = 3;

/** A run at one moment, in host memory. */
export interface Snapshot {
  /** Steps of the run that were done. */
  readonly position: number;
  readonly values: ReadonlyMap<Tensor, Data>;
  /** Number of writes by the host at that moment: tells whether states were written since. */
  readonly revision: number;
}

/** A device was lost and replaced. */
export interface Recovered {
  /** The step that the run stands at now. */
  readonly step: number;
  /** How the device was lost. */
  readonly message: string;
  /** The device in use now. */
  readonly adapter: string;
}

export class Recovery {
  /** The step whose states host memory has. */
  savedAt = 0;
  /** True while a fit takes steps: then only the fit recovers. */
  stepping = false;
  /** Called for each replaced device. */
  hear: (recovered: Recovered) => void;

  /** `states`: all of the run; `moveBack`: called with the step that the run continues from; `onNotice`: default console.warn. */
  constructor(
    readonly values: StateValues,
    readonly programs: ProgramSource,
    readonly states: readonly Tensor[],
    readonly moveBack: (step: number) => void,
    onNotice: (line: string) => void = warn,
  ) {
    this.hear = ({ step, message, adapter }) =>
      onNotice(`${message}; going on with ${adapter} from step ${step}`);
  }

  /**
   * Does `work`, and again on another device if this one is lost meanwhile. Rejects with a DeviceLostError while a fit takes
   * steps, where the device was closed, where no other can be opened, and where devices are lost again and again.
   */
  async survive<T>(work: () => Promise<T>): Promise<T> {
    for (let losses = 1; ; losses++) {
      this.values.checkOpen();
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof DeviceLostError) || this.stepping || losses > MOST_LOSSES) throw error;
        await this.replace(error);
      }
    }
  }

  /** Values of states after `position` steps; where the device is lost, from host memory if it has those of that step. */
  async readAll(tensors: readonly Tensor[], position: number): Promise<Map<Tensor, Data>> {
    try {
      return await this.values.readAll(tensors);
    } catch (error) {
      if (!(error instanceof DeviceLostError) || this.stepping || this.values.backend.closed) throw error;
      if (position === this.savedAt && tensors.every((t) => this.values.hasCopy(t)))
        return new Map(tensors.map((t) => [t, this.values.copyOf(t).slice()]));
      await this.replace(error);
      return this.survive(() => this.values.readAll(tensors));
    }
  }

  /**
   * Opens another device in place of a lost one, and goes back to `snapshot`, else to what host memory has. Throws a
   * DeviceLostError where no other can be opened, or where the value of a state was on the device only.
   */
  async replace(lost: DeviceLostError, snapshot?: Snapshot): Promise<void> {
    const { backend } = this.values;
    if (backend.isLost) {
      if (backend.closed || backend.reopen === undefined) throw lost;
      this.values.checkCopies(lost);
      const next = await backend.reopen().catch((cause: unknown) => {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new DeviceLostError(`${lost.message}; no other can be opened: ${reason}`, { cause });
      });
      // Another caller that noticed the loss may have replaced the device meanwhile.
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
