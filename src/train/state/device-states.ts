/**
 * The values of a run's states: on the device once a program uses them, in host memory before. The host keeps a copy of the
 * latest value that it wrote or read of each state. When the device is lost, the run continues on another one from the copies:
 * those of the last snapshot, and what was written since. Steps after the snapshot are taken again.
 */

import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Backend } from "../../runtime/backend.ts";
import { initialData } from "../../runtime/initial-values.ts";
import { ClosedError, DeviceLostError } from "../../validation/errors.ts";
import { type RunStates, savedStates } from "./run-states.ts";

/** After so many losses without a step in between, the run ends. */
export const MOST_LOSSES = 3;

/** A run at one moment, in host memory. */
export interface Snapshot {
  /** Steps of the run that were done. */
  readonly position: number;
  readonly values: ReadonlyMap<Tensor, Data>;
  /** Number of writes by the host until then. */
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

/** Copies by device and state: shared by all trainers of a device, and passed on to the device that replaces it. */
const copiesOn = new WeakMap<Backend, WeakMap<Tensor, Data>>();

export class DeviceStates {
  /** All states of the run. */
  readonly all: readonly Tensor[];
  /** Steps of the run that are done. A fit updates it when it stops to take steps. */
  position = 0;
  /** True while a fit takes steps: then only the fit recovers. */
  stepping = false;
  /** Called for each replaced device. */
  hear: (recovered: Recovered) => void = () => undefined;
  /** Called when another device takes over: programs must be compiled again. */
  onReplace: () => void = () => undefined;
  #backend: Backend;
  #copies: WeakMap<Tensor, Data>;
  /** The step to which the copies belong. */
  #copiedAt = 0;
  /** States whose values are on the device only: another program had put them there. */
  readonly #withoutCopy = new Set<Tensor>();
  #writes = 0;
  /** `#writes` when a state was written last. */
  readonly #writtenAt = new Map<Tensor, number>();

  constructor(
    backend: Backend,
    readonly seed: number,
    states: RunStates,
  ) {
    this.all = [...savedStates(states), ...states.live.values()];
    this.#backend = backend;
    this.#copies = copiesOn.get(backend) ?? new WeakMap();
    copiesOn.set(backend, this.#copies);
  }

  get backend(): Backend {
    return this.#backend;
  }

  /** Throws ClosedError after the device was closed. */
  checkOpen(): void {
    if (this.#backend.closed) throw new ClosedError();
  }

  /** Gives `tensor` its first value, drawn from random stream `stream`, unless it already has one on this device. */
  initialise(tensor: Tensor, stream: number): void {
    const held = this.#backend.holds(tensor);
    const start = this.#backend.starts.get(tensor);
    if (!this.#copies.has(tensor)) {
      if (start !== undefined) this.#copies.set(tensor, start);
      else if (held) this.#withoutCopy.add(tensor);
    }
    if (!held && start === undefined) this.#put(tensor, initialData(tensor, this.seed, stream));
  }

  write(tensor: Tensor, data: Data): void {
    this.#writes++;
    this.#writtenAt.set(tensor, this.#writes);
    try {
      this.#put(tensor, data);
    } catch (error) {
      // On a lost device the copy is enough: the run continues from it on another one.
      if (!(error instanceof DeviceLostError) || this.#backend.closed) throw error;
    }
  }

  /** The latest value that the host wrote or read. */
  copyOf(tensor: Tensor): Data {
    return this.#copies.get(tensor) ?? initialData(tensor, this.seed, 0);
  }

  /** Values on the device; rejects with a DeviceLostError where that is lost. */
  async readAll(tensors: readonly Tensor[]): Promise<Map<Tensor, Data>> {
    this.checkOpen();
    const onDevice = tensors.filter((t) => this.#backend.holds(t));
    const read = onDevice.length === 0 ? [] : await this.#backend.readAll(onDevice);
    const values = new Map(onDevice.map((t, i) => [t, read[i] as Data]));
    for (const t of tensors) {
      if (!values.has(t))
        values.set(t, (this.#backend.starts.get(t) ?? initialData(t, this.seed, 0)).slice());
    }
    return values;
  }

  /** Values after `position` steps. Where the device is lost: the copies if they are of that step, else from another device. */
  async recoverAll(tensors: readonly Tensor[], position: number): Promise<Map<Tensor, Data>> {
    try {
      return await this.readAll(tensors);
    } catch (error) {
      if (!(error instanceof DeviceLostError) || this.stepping || this.#backend.closed) throw error;
      if (position === this.#copiedAt && !tensors.some((t) => this.#withoutCopy.has(t)))
        return new Map(tensors.map((t) => [t, this.copyOf(t).slice()]));
      await this.replace(error);
      return this.survive(() => this.readAll(tensors));
    }
  }

  /** All states after all steps submitted so far, whose number is `position`. */
  async snapshot(position: number): Promise<Snapshot> {
    const revision = this.#writes;
    const values = await this.recoverAll(this.all, position);
    for (const [tensor, data] of values) {
      if ((this.#writtenAt.get(tensor) ?? 0) <= revision) this.#copy(tensor, data);
    }
    // If the device was lost meanwhile, the run has moved back.
    this.#copiedAt = this.stepping ? position : this.position;
    return { position: this.#copiedAt, values, revision };
  }

  /** Whether the host wrote no state since `snapshot`. */
  isCurrent(snapshot: Snapshot): boolean {
    return snapshot.revision === this.#writes;
  }

  /** Takes over the step of a file whose states are written. */
  moveTo(position: number): void {
    this.position = position;
    this.#copiedAt = position;
  }

  /**
   * Frees those of `leaves` that no program uses. Their copies become the first values for the next trainer; a trained state
   * without a copy stays on the device.
   */
  release(leaves: Iterable<Tensor>): void {
    const backend = this.#backend;
    for (const leaf of leaves) {
      if (this.#withoutCopy.has(leaf)) continue;
      backend.freeUnused([leaf]);
      const copy = this.#copies.get(leaf);
      if (copy !== undefined && !backend.holds(leaf)) backend.starts.set(leaf, copy);
    }
  }

  /**
   * Does `work`, and again on another device if this one is lost meanwhile. Rejects with a DeviceLostError while a fit takes
   * steps, where the device was closed, where no other can be opened, and where devices are lost again and again.
   */
  async survive<T>(work: () => Promise<T>): Promise<T> {
    for (let losses = 1; ; losses++) {
      this.checkOpen();
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof DeviceLostError) || this.stepping || losses > MOST_LOSSES) throw error;
        await this.replace(error);
      }
    }
  }

  /**
   * Opens another device in place of a lost one, and goes back to `snapshot`, else to the copies. Throws a DeviceLostError where
   * no other can be opened, or where the value of a state was on the device only.
   */
  async replace(lost: DeviceLostError, snapshot?: Snapshot): Promise<void> {
    const backend = this.#backend;
    if (backend.isLost) {
      if (backend.closed || backend.reopen === undefined) throw lost;
      const [missing] = this.#withoutCopy;
      if (missing !== undefined) {
        throw new DeviceLostError(
          `${lost.message}; and with it ${missing.label}, whose value was on that device only: load a saved file, or start again`,
          { cause: lost },
        );
      }
      const next = await backend.reopen().catch((cause: unknown) => {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new DeviceLostError(`${lost.message}; no other can be opened: ${reason}`, { cause });
      });
      // Another caller that noticed the loss may have replaced the device meanwhile.
      if (this.#backend !== backend) return this.replace(lost, snapshot);
      this.#moveTo(next);
      this.onReplace();
      this.position = this.#copiedAt;
    } else if (snapshot === undefined) return;
    if (snapshot !== undefined) {
      for (const [tensor, data] of snapshot.values) this.#put(tensor, data);
      this.moveTo(snapshot.position);
    }
    this.hear({ step: this.position, message: lost.message, adapter: this.#backend.adapter });
  }

  /** Takes the copies to another device. States that another trainer has moved there stay as they are. */
  #moveTo(backend: Backend): void {
    const others = copiesOn.get(backend);
    const isMoved = (t: Tensor) =>
      others !== undefined && (backend.holds(t) || backend.starts.get(t) !== undefined);
    this.#backend = backend;
    this.#copies = others ?? this.#copies;
    copiesOn.set(backend, this.#copies);
    for (const tensor of this.all) {
      const data = this.#copies.get(tensor);
      if (data !== undefined && !isMoved(tensor)) this.#put(tensor, data);
    }
  }

  #put(tensor: Tensor, data: Data): void {
    this.checkOpen();
    this.#copy(tensor, data);
    if (this.#backend.holds(tensor)) this.#backend.write(tensor, data);
    else this.#backend.starts.set(tensor, data);
  }

  #copy(tensor: Tensor, data: Data): void {
    this.#copies.set(tensor, data);
    this.#withoutCopy.delete(tensor);
  }
}
