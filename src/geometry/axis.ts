/**
 * Axes by number, and a tensor seen as [OUTER, SIZE, INNER] around one axis. A row is the SIZE elements along that axis; they lie
 * INNER elements apart. Also what of a tensor is contiguous when it is walked by sizes and strides.
 */

import { formatShape, type Shape, sizeOf } from "../graph/spec.ts";
import { ShapeError, ValueError } from "../validation/errors.ts";
import { shown } from "../validation/options.ts";

/** One axis or several, negative ones counted from the end; undefined means all. */
export type Axes = number | readonly number[] | undefined;

/** Axes as ascending numbers from 0; throws ShapeError, naming `op`, on one that does not exist or comes twice. */
export function normalizeAxes(op: string, rank: number, axes: Axes): number[] {
  if (axes !== undefined && typeof axes !== "number" && !Array.isArray(axes)) {
    throw new ValueError(
      `${op}: an axis must be a whole number, such as -1 for the last one, got ${shown(axes)}`,
    );
  }
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list = (typeof axes === "number" ? [axes] : [...axes]).map((axis) => {
    if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
      throw new ShapeError(`${op}: axis ${axis} does not exist in a tensor of rank ${rank}`);
    }
    return axis < 0 ? axis + rank : axis;
  });
  if (new Set(list).size !== list.length)
    throw new ShapeError(`${op}: axes ${formatShape(list)} name one twice`);
  return list.sort((a, b) => a - b);
}

/** One axis as a number from 0; throws as `normalizeAxes`. */
export function normalizeAxis(op: string, rank: number, axis: number): number {
  return normalizeAxes(op, rank, axis)[0] as number;
}

export type AxisGeometry = { readonly OUTER: number; readonly SIZE: number; readonly INNER: number };

export function axisGeometry(shape: Shape, axis: number) {
  const [OUTER, INNER] = [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis + 1))];
  return { OUTER, SIZE: shape[axis] ?? 1, INNER };
}

/** Calls `visit` with the positions of each row's elements, for CPU bodies. */
export function eachRow(
  { OUTER, SIZE, INNER }: AxisGeometry,
  visit: (positions: readonly number[], row: number) => void,
): void {
  for (let row = 0; row < OUTER * INNER; row++) {
    const first = Math.floor(row / INNER) * SIZE * INNER + (row % INNER);
    visit(
      Array.from({ length: SIZE }, (_, k) => first + k * INNER),
      row,
    );
  }
}

/** A loop over one axis, or over several that one stride walks. */
export interface Loop {
  readonly size: number;
  readonly stride: number;
}

/** Loops, outermost first, without those of size 1 and with neighbours merged where one stride walks both. */
export function mergeLoops(loops: readonly Loop[]): Loop[] {
  const merged: Loop[] = [];
  for (const { size, stride } of loops) {
    const last = merged.at(-1);
    if (size === 1) continue;
    if (last !== undefined && last.stride === stride * size) {
      merged[merged.length - 1] = { size: last.size * size, stride };
    } else merged.push({ size, stride });
  }
  return merged;
}

/** `loops` with loops of size 1 in front, so that there are `count`. */
export function padLoops(loops: readonly Loop[], count: number): Loop[] {
  return [...Array.from({ length: count - loops.length }, () => ({ size: 1, stride: 0 })), ...loops];
}
