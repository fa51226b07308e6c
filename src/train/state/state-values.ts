/**
 * The values of a run's states, wherever they are: on the device once a program has put them there, before that waiting in
 * host memory. What host memory had last of a state stays there as a copy, for when the device is lost.
 */

import { ClosedError, DeviceLostError } from "../../common/errors.ts";
import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Backend } from "../../runtime/backend.ts";
import { initialData } from "../../runtime/initial-values.ts";

/** Copies by device and state, shared by all who train on a device, and handed on to the device that replaces it. */
const copiesOn = new WeakMap<Backend, WeakMap<Tensor, Data>>();

export class StateValues {
  #backend: Backend;
  #copies: WeakMap<Tensor, Data>;
  /** States that had values on the device before, of which there is no copy yet. */
  readonly #unknown = new Set<Tensor>();
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

  /** How often somebody wrote a value. */
  get writes(): number {
    return this.#writes;
  }

  get backend(): Backend {
    return this.#backend;
  }

  async readAll(tensors: readonly Tensor[]): Promise<Map<Tensor, Data>> {
    this.check();
    const held = tensors.filter((t) => this.#backend.holds(t));
    const read = held.length === 0 ? [] : await this.#backend.readAll(held);
    const values = new Map(held.map((t, i) => [t, read[i] as Data]));
    for (const t of tensors) {
      if (!values.has(t))
        values.set(t, (this.#backend.starts.get(t) ?? initialData(t, this.seed, 0)).slice());
    }
    return values;
  }

  /** Gives `tensor` its first value, drawn from stream `stream`, unless it has one on this device already. */
  begin(tensor: Tensor, stream: number): void {
    this.adopt(tensor);
    if (this.#backend.holds(tensor) || this.#backend.starts.get(tensor) !== undefined) return;
    this.#put(tensor, initialData(tensor, this.seed, stream));
  }

  /** Takes `tensor` as it is on this device, perhaps trained by others. */
  adopt(tensor: Tensor): void {
    if (this.#copies.has(tensor)) return;
    const start = this.#backend.starts.get(tensor);
    if (start !== undefined) this.#copies.set(tensor, start);
    else if (this.#backend.holds(tensor)) this.#unknown.add(tensor);
  }

  write(tensor: Tensor, data: Data): void {
    this.#writes++;
    this.#writtenAt.set(tensor, this.#writes);
    try {
      this.#put(tensor, data);
    } catch (error) {
      // The copy is what the run goes on with.
      if (!(error instanceof DeviceLostError) || this.#backend.closed) throw error;
    }
  }

  /** Takes `values` as copies, except of states that were written since `writes` was `revision`. */
  keep(values: ReadonlyMap<Tensor, Data>, revision: number): void {
    for (const [tensor, data] of values) {
      if ((this.#writtenAt.get(tensor) ?? 0) <= revision) this.#copy(tensor, data);
    }
  }

  hasCopy(tensor: Tensor): boolean {
    return !this.#unknown.has(tensor);
  }

  copyOf(tensor: Tensor): Data {
    return this.#copies.get(tensor) ?? initialData(tensor, this.seed, 0);
  }

  /** Throws a DeviceLostError where a state has no copy. */
  checkCopies(lost: DeviceLostError): void {
    const [first] = this.#unknown;
    if (first === undefined) return;
    throw new DeviceLostError(
      `${lost.message}; and with it ${first.label}, which had been on that device only: load a saved file, or start anew`,
      { cause: lost },
    );
  }

  /** Goes over to a device that replaces a lost one. States that others have brought there stay as they are. */
  moveTo(backend: Backend, states: Iterable<Tensor>): void {
    const others = copiesOn.get(backend);
    const there = (t: Tensor) =>
      others !== undefined && (backend.holds(t) || backend.starts.get(t) !== undefined);
    this.#backend = backend;
    this.#copies = others ?? this.#copies;
    copiesOn.set(backend, this.#copies);
    for (const tensor of states) {
      const data = this.#copies.get(tensor);
      if (data !== undefined && !there(tensor)) this.#put(tensor, data);
    }
  }

  /**
   * Frees those of `leaves` that no program uses. Values in host memory wait there for the next trainer; a trained
   * state without such a value stays.
   */
  release(leaves: Iterable<Tensor>): void {
    const backend = this.#backend;
    for (const leaf of leaves) {
      if (this.#unknown.has(leaf)) continue;
      backend.freeUnused([leaf]);
      const copy = this.#copies.get(leaf);
      if (copy !== undefined && !backend.holds(leaf)) backend.starts.set(leaf, copy);
    }
  }

  /** Puts values back that host memory has kept. */
  restore(values: ReadonlyMap<Tensor, Data>): void {
    for (const [tensor, data] of values) this.#put(tensor, data);
  }

  /** Throws ClosedError after the device was closed. */
  check(): void {
    if (this.#backend.closed) throw new ClosedError();
  }

  #put(tensor: Tensor, data: Data): void {
    this.check();
    this.#copy(tensor, data);
    if (this.#backend.holds(tensor)) this.#backend.write(tensor, data);
    else this.#backend.starts.set(tensor, data);
  }

  #copy(tensor: Tensor, data: Data): void {
    this.#copies.set(tensor, data);
    this.#unknown.delete(tensor);
  }
}
