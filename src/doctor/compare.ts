/** How far two tensors are apart, in units of what is tolerated. */
import { type Data, formatShape, type Shape } from "../graph/spec.ts";
import type { Tolerance } from "./check.ts";

export interface Comparison {
  /** Largest error as a share of the tolerance. */
  readonly worst: number;
  /** Where and by how much they differ; nothing when all is within tolerance. */
  readonly difference?: string;
}

/** Elements may differ by `atol + rtol * |expected|`; whole numbers not at all. NaN equals NaN only. */
export function compare(
  actual: Data,
  expected: Data,
  shape: Shape,
  { atol = 1e-6, rtol = 1e-5 }: Tolerance,
): Comparison {
  const floats = actual instanceof Float32Array || actual instanceof Float64Array;
  let worst = 0;
  let bad = 0;
  let at = -1;
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i] ?? Number.NaN;
    const e = expected[i] as number;
    if (Object.is(a, e) || a === e) continue;
    const share = floats ? Math.abs(a - e) / (atol + rtol * Math.abs(e)) : Number.POSITIVE_INFINITY;
    const error = Number.isNaN(share) ? Number.POSITIVE_INFINITY : share;
    if (error > 1) {
      bad++;
      if (at < 0) at = i;
    }
    worst = Math.max(worst, error);
  }
  if (at < 0) return { worst };
  const place = `[${coordinates(at, shape).join(", ")}] of ${formatShape(shape)}`;
  const allowed = floats ? ` (tolerated: ${atol} + ${rtol} of the value)` : "";
  const values = `${actual[at]}, expected ${expected[at]}`;
  return {
    worst,
    difference: `${bad} of ${expected.length} values differ, the first at ${place}: ${values}${allowed}`,
  };
}

function coordinates(index: number, shape: Shape): number[] {
  let rest = index;
  const reversed = [...shape].reverse().map((size) => {
    const at = rest % size;
    rest = Math.floor(rest / size);
    return at;
  });
  return reversed.reverse();
}
