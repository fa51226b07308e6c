/** Counts which leaves of a device its programs use. A program that is collected as garbage counts as destroyed. */
import type { Tensor } from "../graph/tensor.ts";

/** What is released with a program. Must not refer to the program, which would then never be collected. */
interface Registration {
  readonly leaves: readonly WeakRef<Tensor>[];
  readonly free: () => void;
}

export class LeafUsers {
  readonly #counts = new WeakMap<Tensor, number>();
  readonly #registrations = new WeakMap<object, Registration>();
  readonly #collected = new FinalizationRegistry<Registration>((registration) => this.#end(registration));

  /** `onUnused` is called with each constant that no program uses any more; a later program can upload it again. */
  constructor(readonly onUnused: (leaf: Tensor) => void) {}

  /**
   * Counts `program` as a user of `leaves` until `leave`, or until it is collected as garbage. `free` is called then; it must
   * not refer to the program.
   */
  enter(program: object, leaves: readonly Tensor[], free: () => void): void {
    for (const leaf of leaves) this.#counts.set(leaf, (this.#counts.get(leaf) ?? 0) + 1);
    const registration = { leaves: leaves.map((leaf) => new WeakRef(leaf)), free };
    this.#registrations.set(program, registration);
    this.#collected.register(program, registration, program);
  }

  leave(program: object): void {
    const registration = this.#registrations.get(program);
    if (registration === undefined) return;
    this.#registrations.delete(program);
    this.#collected.unregister(program);
    this.#end(registration);
  }

  /** Whether `program` has entered and not left. */
  has(program: object): boolean {
    return this.#registrations.has(program);
  }

  inUse(leaf: Tensor): boolean {
    return (this.#counts.get(leaf) ?? 0) > 0;
  }

  #end({ leaves, free }: Registration): void {
    free();
    for (const ref of leaves) {
      const leaf = ref.deref();
      if (leaf === undefined) continue;
      this.#counts.set(leaf, (this.#counts.get(leaf) ?? 1) - 1);
      if (leaf.leaf?.kind === "constant" && !this.inUse(leaf)) this.onUnused(leaf);
    }
  }
}
