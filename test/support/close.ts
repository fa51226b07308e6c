/** Comparison of tensors with a message that shows where and by how much they part. */
import { expect } from "vitest";
import type { Data, Shape } from "../../src/graph/spec.ts";

export interface Tolerance {
  /** Absolute part of `atol + rtol * |expected|`. Default 1e-6. */
  readonly atol?: number;
  /** Relative part. Default 1e-5. */
  readonly rtol?: number;
}

/** Fails unless every element is within `atol + rtol * |expected|`; integers must be equal. NaN equals NaN only. */
export function expectClose(
  name: string,
  actual: Data | readonly number[],
  expected: Data | readonly number[],
  shape: Shape,
  tolerance: Tolerance = {},
): void {
  const whole = actual instanceof Int32Array || actual instanceof Uint32Array;
  const atol = whole ? 0 : (tolerance.atol ?? 1e-6);
  const rtol = whole ? 0 : (tolerance.rtol ?? 1e-5);
  expect(actual.length, `${name}: length`).toBe(expected.length);
  const bad: number[] = [];
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i] as number;
    const e = expected[i] as number;
    if (Object.is(a, e) || a === e) continue;
    const error = Math.abs(a - e);
    if (error <= atol + rtol * Math.abs(e)) continue;
    bad.push(i);
    worst = Math.max(worst, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
  }
  if (bad.length === 0) return;
  const rows = bad
    .slice(0, 6)
    .map((i) => `  [${coordinates(i, shape)}] actual ${actual[i]} expected ${expected[i]}`);
  expect.fail(
    `${name}: ${bad.length} of ${expected.length} elements of [${shape.join(", ")}] differ by more than ` +
      `${atol} + ${rtol} * |expected| (worst ${worst}):\n${rows.join("\n")}`,
  );
}

function coordinates(index: number, shape: Shape): string {
  let rest = index;
  return [...shape]
    .reverse()
    .map((d) => {
      const c = rest % d;
      rest = Math.floor(rest / d);
      return c;
    })
    .reverse()
    .join(", ");
}
