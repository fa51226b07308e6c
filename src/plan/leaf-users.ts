/** Which leaves of a device programs use, including unreachable programs that were not destroyed. */
import type { Tensor } from "../graph/tensor.ts";

/** What ends with a program. Must not refer to the program. */
interface Ending {
  readonly leaves: readonly WeakRef<Tensor>[];
  readonly free: () => void;
}

export class LeafUsers {
  readonly #counts = new WeakMap<Tensor, number>();
  readonly #endings = new WeakMap<object, Ending>();
  readonly #dropped = new FinalizationRegistry<Ending>((ending) => this.#end(ending));

  /** `unused`: called with a constant that no program uses any more; its data are still known. */
  constructor(readonly unused: (leaf: Tensor) => void) {}

  /**
   * Counts `program` as a user of `leaves` until `leave` or until it is collected as garbage. `free` is called then and must
   * not refer to the program.
   */
  enter(program: object, leaves: readonly Tensor[], free: () => void): void {
    for (const leaf of leaves) this.#counts.set(leaf, (this.#counts.get(leaf) ?? 0) + 1);
    const ending = { leaves: leaves.map((leaf) => new WeakRef(leaf)), free };
    this.#endings.set(program, ending);
    this.#dropped.register(program, ending, program);
  }

  leave(program: object): void {
    const ending = this.#endings.get(program);
    if (ending === undefined) return;
    this.#endings.delete(program);
    this.#dropped.unregister(program);
    this.#end(ending);
  }

  /** Whether `program` has entered and not left. */
  has(program: object): boolean {
    return this.#endings.has(program);
  }

  inUse(leaf: Tensor): boolean {
    return (this.#counts.get(leaf) ?? 0) > 0;
  }

  #end({ leaves, free }: Ending): void {
    free();
    for (const ref of leaves) {
      const leaf = ref.deref();
      if (leaf === undefined) continue;
      this.#counts.set(leaf, (this.#counts.get(leaf) ?? 1) - 1);
      if (leaf.leaf?.kind === "constant" && !this.inUse(leaf)) this.unused(leaf);
    }
  }
}
