/** Compares two arrays of numbers within a tolerance, element by element. */

/** Elements may differ by `atol + rtol * |expected|`; with 0 for both they must be equal. */
export interface Tolerance {
  readonly atol: number;
  readonly rtol: number;
}

export interface Closeness {
  /** Largest error as a share of the tolerance: at most 1 where all elements agree, infinite where one is NaN. */
  readonly worst: number;
  /** How many elements differ by more than the tolerance. */
  readonly mismatches: number;
  /** Index of the first of them, -1 for none. */
  readonly first: number;
}

/** NaN equals only NaN, and an infinity only itself. A missing element of `actual` counts as NaN. */
export function allclose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { atol, rtol }: Tolerance,
): Closeness {
  let [worst, mismatches, first] = [0, 0, -1];
  for (let i = 0; i < expected.length; i++) {
    const e = expected[i] as number;
    const a = actual[i] ?? Number.NaN;
    if (Object.is(a, e) || a === e) continue;
    const share = Math.abs(a - e) / (atol + rtol * Math.abs(e));
    const error = Number.isNaN(share) ? Number.POSITIVE_INFINITY : share;
    worst = Math.max(worst, error);
    if (error <= 1) continue;
    mismatches++;
    if (first < 0) first = i;
  }
  return { worst, mismatches, first };
}
