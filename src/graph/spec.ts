/** What tensors look like from outside, and host-side data of them: shapes, dtypes, sizes, and how they are written in messages. */
import { ShapeError } from "../common/errors.ts";
import { shown } from "../common/options.ts";

export type DType = "f32" | "i32" | "u32";
export type Shape = readonly number[];
/** What a tensor looks like from outside. */
export interface Spec {
  readonly shape: Shape;
  readonly dtype: DType;
}
/** Host-side data of any tensor. Float tensors are Float32Array, or Float64Array on a 64-bit CPU reference. */
export type Data = Float32Array | Float64Array | Int32Array | Uint32Array;
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, d) => product * d, 1);
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

export function formatSpec(spec: Spec): string {
  return Array.isArray(spec?.shape) ? `${spec.dtype}${formatShape(spec.shape)}` : shown(spec);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/** Refuses shapes with an axis that is not a whole number of at least 1. */
export function checkShape(who: string, shape: Shape): void {
  if (!Array.isArray(shape)) {
    throw new ShapeError(
      `${who}: the shape must be an array of whole numbers, such as [2, 3], got ${shown(shape)}`,
    );
  }
  if (!shape.every((d) => Number.isInteger(d) && d >= 1)) {
    throw new ShapeError(
      `${who}: every axis must be a whole number of at least 1, got ${formatShape(shape)}`,
    );
  }
}
