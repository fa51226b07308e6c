/**
 * Where the elements of a reduction lie: kept and reduced axes, neighbours merged, as the constants that the kernels of
 * sums, extrema and moments share. A row is the REDUCED elements that belong to one kept position.
 */

import { spread } from "../graph/kernel.ts";
import { shapeError } from "../graph/op.ts";
import { type Spec, sizeOf } from "../graph/spec.ts";
import { mergeLoops, padLoops } from "./axis.ts";

/** Sizes (K, R) and strides (SK, SR) of up to three kept and three reduced loops, and the products of the sizes. */
export type ReductionGeometry = Readonly<
  Record<`${"K" | "R"}${1 | 2}` | `${"SK" | "SR"}${0 | 1 | 2}` | "KEPT" | "REDUCED", number>
>;

/** The geometry of reducing `x` over `axes`; throws ShapeError naming `op`. */
export function reductionGeometry(op: string, x: Spec, axes: readonly number[]): ReductionGeometry {
  const loops = x.shape.map((size, axis) => ({ size, stride: sizeOf(x.shape.slice(axis + 1)) }));
  const kept = mergeLoops(loops.filter((_, axis) => !axes.includes(axis)));
  const reduced = mergeLoops(loops.filter((_, axis) => axes.includes(axis)));
  if (kept.length > 3 || reduced.length > 3) {
    const verb = op === "sum" ? "summed" : "reduced";
    throw shapeError(op, `axes alternate between kept and ${verb} more than three times`, [x]);
  }
  const [k0, k1, k2] = padLoops(kept, 3);
  const [r0, r1, r2] = padLoops(reduced, 3);
  return {
    K1: k1!.size,
    K2: k2!.size,
    SK0: k0!.stride,
    SK1: k1!.stride,
    SK2: k2!.stride,
    R1: r1!.size,
    R2: r2!.size,
    SR0: r0!.stride,
    SR1: r1!.stride,
    SR2: r2!.stride,
    KEPT: sizeOf(kept.map(({ size }) => size)),
    REDUCED: sizeOf(reduced.map(({ size }) => size)),
  };
}

/** The spec of `x` reduced over `axes`, which stay as 1. */
export function reducedSpec(x: Spec, axes: readonly number[]): Spec {
  return { shape: x.shape.map((d, axis) => (axes.includes(axis) ? 1 : d)), dtype: x.dtype };
}

/** Index of the reduced element r of the kept position k, for CPU bodies. */
export function reductionIndex(g: ReductionGeometry, k: number, r: number): number {
  const { K1, K2, SK0, SK1, SK2, R1, R2, SR0, SR1, SR2 } = g;
  const kept = Math.floor(k / (K1 * K2)) * SK0 + (Math.floor(k / K2) % K1) * SK1 + (k % K2) * SK2;
  return kept + Math.floor(r / (R1 * R2)) * SR0 + (Math.floor(r / R2) % R1) * SR1 + (r % R2) * SR2;
}

/**
 * How many parts of CHUNK elements each row is reduced in, and workgroups for all parts: about `wanted` invocations, which keeps
 * a GPU busy, and no parts shorter than 64 elements.
 */
export function reductionParts({ KEPT, REDUCED }: ReductionGeometry, wanted = 8192) {
  const PARTS = Math.max(1, Math.min(Math.ceil(REDUCED / 64), Math.ceil(wanted / KEPT), 1024));
  return { PARTS, CHUNK: Math.ceil(REDUCED / PARTS), groups: spread(Math.ceil((KEPT * PARTS) / 64)) };
}
