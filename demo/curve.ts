/**
 * Reduces curves to few points: neighbouring steps are averaged in buckets whose width is a power of two, the same for all
 * curves of a chart, so that they share one axis.
 */

/** A growing list of numbers, which can be truncated when a lost device sets a run back. */
export class GrowingArray {
  #values = new Float32Array(1024);
  length = 0;

  /** Writes `values` from index `first` on and removes everything after them. */
  write(first: number, values: ArrayLike<number>): void {
    const end = first + values.length;
    if (end > this.#values.length) {
      const larger = new Float32Array(Math.max(end, 2 * this.#values.length));
      larger.set(this.#values.subarray(0, this.length));
      this.#values = larger;
    }
    // A curve that starts late, with loaded weights, has no earlier values.
    if (first > this.length) this.#values.fill(Number.NaN, this.length, first);
    this.#values.set(values, first);
    this.length = end;
  }

  get values(): Float32Array {
    return this.#values.subarray(0, this.length);
  }
}

/** Steps per bucket so that `length` steps fit into `most` buckets. */
export function bucketWidth(length: number, most: number): number {
  let width = 1;
  while (Math.ceil(length / width) > most) width *= 2;
  return width;
}

/** Mean of each bucket of `width` values; null where a bucket has none. */
export function buckets(values: ArrayLike<number>, width: number): (number | null)[] {
  return Array.from({ length: Math.ceil(values.length / width) }, (_, b) => {
    let sum = 0;
    let count = 0;
    for (let i = b * width; i < Math.min(values.length, (b + 1) * width); i++) {
      const value = values[i] as number;
      if (Number.isNaN(value)) continue;
      sum += value;
      count++;
    }
    return count === 0 ? null : sum / count;
  });
}

/** An exponential moving average without bias towards zero at the start; longer curves are smoothed more. */
export function smooth(values: readonly (number | null)[]): (number | null)[] {
  const memory = 1 - 1 / Math.max(1, Math.min(20, values.length / 40));
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = memory * sum + (1 - memory) * value;
    weight = memory * weight + (1 - memory);
    return sum / weight;
  });
}
