/**
 * The values of a run's states, wherever they are: on the device once a program has put them there, on the host until
 * then and while a lost device is replaced.
 */
import type { Backend } from "../backend.ts";
import { initialData } from "../plan/initial.ts";
import type { Data, Tensor } from "../tensor.ts";

export class StateValues {
  /** Values of states that no program has put on the device yet. */
  readonly #waiting: Map<Tensor, Data>;
  #backend: Backend;
  #writes = 0;

  constructor(
    backend: Backend,
    readonly seed: number,
    first: Iterable<readonly [Tensor, Data]>,
  ) {
    this.#backend = backend;
    this.#waiting = new Map(first);
  }

  /** How often somebody wrote a value. */
  get writes(): number {
    return this.#writes;
  }

  get backend(): Backend {
    return this.#backend;
  }

  async readAll(tensors: readonly Tensor[]): Promise<Map<Tensor, Data>> {
    // While a program is being compiled the device may hold a state already, but not yet the value that waits for it.
    const held = tensors.filter((t) => this.#backend.holds(t) && !this.#waiting.has(t));
    const read = held.length === 0 ? [] : await this.#backend.readAll(held);
    const values = new Map(held.map((t, i) => [t, read[i] as Data]));
    for (const t of tensors) {
      if (!values.has(t)) values.set(t, this.#waiting.get(t) ?? initialData(t, this.seed, 0));
    }
    return values;
  }

  write(tensor: Tensor, data: Data): void {
    this.#writes++;
    if (this.#backend.holds(tensor)) {
      this.#backend.write(tensor, data);
      this.#waiting.delete(tensor);
    } else {
      this.#waiting.set(tensor, data);
    }
  }

  /** Hands what waits to the device, as far as it holds those states now. To be called after a program was compiled. */
  deliver(): void {
    for (const [tensor, value] of this.#waiting) {
      if (!this.#backend.holds(tensor)) continue;
      this.#backend.write(tensor, value);
      this.#waiting.delete(tensor);
    }
  }

  /** Goes over to a device that has none of these values yet. */
  moveTo(backend: Backend, values: ReadonlyMap<Tensor, Data>): void {
    this.#backend = backend;
    for (const [tensor, data] of values) this.#waiting.set(tensor, data);
    this.deliver();
  }
}
