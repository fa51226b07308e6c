/**
 * The values of a run's states: on the device once a program uses them, in host memory before. The host also keeps a copy of
 * the latest value that it wrote or read of each state, for the case that the device is lost.
 */

import { ClosedError, DeviceLostError } from "../../common/errors.ts";
import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Backend } from "../../runtime/backend.ts";
import { initialData } from "../../runtime/initial-values.ts";

/** Copies by device and state: shared by all trainers of a device, and passed on to the device that replaces it. */
const copiesOn = new WeakMap<Backend, WeakMap<Tensor, Data>>();

export class StateValues {
  #backend: Backend;
  #copies: WeakMap<Tensor, Data>;
  /** States whose values are on the device only: another program had put them there. */
  readonly #withoutCopy = new Set<Tensor>();
  #writes = 0;
  /** `#writes` when a state was written last. */
  readonly #writtenAt = new Map<Tensor, number>();

  constructor(
    backend: Backend,
    readonly seed: number,
  ) {
    this.#backend = backend;
    this.#copies = copiesOn.get(backend) ?? new WeakMap();
    copiesOn.set(backend, this.#copies);
  }

  /** Number of writes by the host so far. */
  get writes(): number {
    return this.#writes;
  }

  get backend(): Backend {
    return this.#backend;
  }

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

  /** Keeps `values` as copies, except of states that were written after `writes` was `revision`. */
  keepCopies(values: ReadonlyMap<Tensor, Data>, revision: number): void {
    for (const [tensor, data] of values) {
      if ((this.#writtenAt.get(tensor) ?? 0) <= revision) this.#copy(tensor, data);
    }
  }

  hasCopy(tensor: Tensor): boolean {
    return !this.#withoutCopy.has(tensor);
  }

  copyOf(tensor: Tensor): Data {
    return this.#copies.get(tensor) ?? initialData(tensor, this.seed, 0);
  }

  /** Throws a DeviceLostError where a state has no copy. */
  checkCopies(lost: DeviceLostError): void {
    const [first] = this.#withoutCopy;
    if (first === undefined) return;
    throw new DeviceLostError(
      `${lost.message}; and with it ${first.label}, whose value was on that device only: load a saved file, or start again`,
      { cause: lost },
    );
  }

  /** Moves to a device that replaces a lost one. States that another trainer has moved there stay as they are. */
  moveTo(backend: Backend, states: Iterable<Tensor>): void {
    const others = copiesOn.get(backend);
    const isMoved = (t: Tensor) =>
      others !== undefined && (backend.holds(t) || backend.starts.get(t) !== undefined);
    this.#backend = backend;
    this.#copies = others ?? this.#copies;
    copiesOn.set(backend, this.#copies);
    for (const tensor of states) {
      const data = this.#copies.get(tensor);
      if (data !== undefined && !isMoved(tensor)) this.#put(tensor, data);
    }
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

  /** Writes values of a snapshot back, which does not count as a write by the host. */
  restore(values: ReadonlyMap<Tensor, Data>): void {
    for (const [tensor, data] of values) this.#put(tensor, data);
  }

  /** Throws ClosedError after the device was closed. */
  checkOpen(): void {
    if (this.#backend.closed) throw new ClosedError();
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
