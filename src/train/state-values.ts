/**
 * The values of a run's states, wherever they are: on the device once a program has put them there, on the host until
 * then and while a lost device is replaced.
 */
import type { Backend } from "../backend.ts";
import { initialData } from "../plan/initial.ts";
import type { Data, Tensor } from "../tensor.ts";

export class StateValues {
  #backend: Backend;
  #writes = 0;

  constructor(
    backend: Backend,
    readonly seed: number,
  ) {
    this.#backend = backend;
  }

  /** How often somebody wrote a value. */
  get writes(): number {
    return this.#writes;
  }

  get backend(): Backend {
    return this.#backend;
  }

  async readAll(tensors: readonly Tensor[]): Promise<Map<Tensor, Data>> {
    const held = tensors.filter((t) => this.#backend.holds(t));
    const read = held.length === 0 ? [] : await this.#backend.readAll(held);
    const values = new Map(held.map((t, i) => [t, read[i] as Data]));
    for (const t of tensors) {
      if (!values.has(t)) values.set(t, this.#backend.starts.get(t) ?? initialData(t, this.seed, 0));
    }
    return values;
  }

  /** Gives `tensor` its first value, drawn from stream `stream`, unless it has one on this device already. */
  begin(tensor: Tensor, stream: number): void {
    if (this.#backend.holds(tensor) || this.#backend.starts.get(tensor) !== undefined) return;
    this.#put(tensor, initialData(tensor, this.seed, stream));
  }

  write(tensor: Tensor, data: Data): void {
    this.#writes++;
    this.#put(tensor, data);
  }

  /** Goes over to a device that has none of these values yet. */
  moveTo(backend: Backend, values: ReadonlyMap<Tensor, Data>): void {
    this.#backend = backend;
    for (const [tensor, data] of values) this.#put(tensor, data);
  }

  #put(tensor: Tensor, data: Data): void {
    if (this.#backend.holds(tensor)) this.#backend.write(tensor, data);
    else this.#backend.starts.set(tensor, data);
  }
}
