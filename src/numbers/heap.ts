/** A binary heap: takes values in any order and gives the first one of them. */

export class Heap<T> {
  readonly #values: T[] = [];

  /** `isBefore`: whether its first argument comes out before its second. */
  constructor(readonly isBefore: (a: T, b: T) => boolean) {}

  push(value: T): void {
    const values = this.#values;
    let at = values.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!this.isBefore(value, values[above] as T)) break;
      values[at] = values[above] as T;
      at = above;
    }
    values[at] = value;
  }

  /** Removes and returns the first value; undefined if there is none. */
  pop(): T | undefined {
    const values = this.#values;
    const first = values[0];
    const last = values.pop() as T;
    if (values.length === 0) return first;
    for (let at = 0; ; ) {
      let below = 2 * at + 1;
      if (below + 1 < values.length && this.isBefore(values[below + 1] as T, values[below] as T)) below++;
      if (below >= values.length || !this.isBefore(values[below] as T, last)) {
        values[at] = last;
        return first;
      }
      values[at] = values[below] as T;
      at = below;
    }
  }
}
