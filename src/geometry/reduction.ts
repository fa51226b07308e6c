/**
 * Where the elements of a reduction lie: kept and reduced axes, neighbours merged, as the constants that kernels of
 * sums, extremes and moments share. Refuses axes that alternate more than three times.
 */

import { spread } from "../graph/kernel.ts";
import { shapeError } from "../graph/op.ts";
import { type Spec, sizeOf } from "../graph/spec.ts";

export interface ReductionGeometry {
  readonly [name: string]: number;
  readonly K1: number;
  readonly K2: number;
  readonly SK0: number;
  readonly SK1: number;
  readonly SK2: number;
  readonly R1: number;
  readonly R2: number;
  readonly SR0: number;
  readonly SR1: number;
  readonly SR2: number;
  readonly KEPT: number;
  readonly REDUCED: number;
}

interface Axis {
  readonly size: number;
  readonly step: number;
}

/** The geometry of reducing `x` over `axes`; throws ShapeError naming `op`. */
export function reductionGeometry(op: string, x: Spec, axes: readonly number[]): ReductionGeometry {
  const kept: Axis[] = [];
  const reduced: Axis[] = [];
  let step = sizeOf(x.shape);
  x.shape.forEach((size, axis) => {
    step /= size;
    if (size > 1) pushMerged(axes.includes(axis) ? reduced : kept, { size, step });
  });
  if (kept.length > 3 || reduced.length > 3) {
    const verb = op === "sum" ? "summed" : "reduced";
    throw shapeError(op, `axes alternate between kept and ${verb} more than three times`, [x]);
  }
  const [k0, k1, k2] = three(kept);
  const [r0, r1, r2] = three(reduced);
  return {
    K1: k1.size,
    K2: k2.size,
    SK0: k0.step,
    SK1: k1.step,
    SK2: k2.step,
    R1: r1.size,
    R2: r2.size,
    SR0: r0.step,
    SR1: r1.step,
    SR2: r2.step,
    KEPT: kept.reduce((n, a) => n * a.size, 1),
    REDUCED: reduced.reduce((n, a) => n * a.size, 1),
  };
}

/** What is left of `x`: reduced axes stay as 1. */
export function reducedSpec(x: Spec, axes: readonly number[]): Spec {
  return { shape: x.shape.map((d, axis) => (axes.includes(axis) ? 1 : d)), dtype: "f32" };
}

/** Where reduced element r of kept position k is, for CPU bodies. */
export function reductionPlace(g: ReductionGeometry, k: number, r: number): number {
  const { K1, K2, SK0, SK1, SK2, R1, R2, SR0, SR1, SR2 } = g;
  const kept = Math.floor(k / (K1 * K2)) * SK0 + (Math.floor(k / K2) % K1) * SK1 + (k % K2) * SK2;
  return kept + Math.floor(r / (R1 * R2)) * SR0 + (Math.floor(r / R2) % R1) * SR1 + (r % R2) * SR2;
}

/** How a reduction is shared out: `wanted` invocations, enough to fill a chip, without parts shorter than 64 terms. */
export function reductionParts({ KEPT, REDUCED }: ReductionGeometry, wanted = 8192) {
  const PARTS = Math.max(1, Math.min(Math.ceil(REDUCED / 64), Math.ceil(wanted / KEPT), 1024));
  return { PARTS, CHUNK: Math.ceil(REDUCED / PARTS), groups: spread(Math.ceil((KEPT * PARTS) / 64)) };
}

function pushMerged(list: Axis[], axis: Axis): void {
  const last = list.at(-1);
  if (last !== undefined && last.step === axis.step * axis.size) {
    list[list.length - 1] = { size: last.size * axis.size, step: axis.step };
  } else list.push(axis);
}

function three(list: readonly Axis[]): readonly [Axis, Axis, Axis] {
  const one = { size: 1, step: 0 };
  const [a, b, c] = [one, one, one, ...list].slice(-3);
  return [a ?? one, b ?? one, c ?? one];
}
