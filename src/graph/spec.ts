/** Shapes, dtypes and host-side data of tensors, and how messages show them. */
import { ShapeError } from "../validation/errors.ts";
import { shown } from "../validation/options.ts";

export type DType = "f32" | "i32" | "u32";
export type Shape = readonly number[];
/** Shape and dtype of a tensor. */
export interface Spec {
  readonly shape: Shape;
  readonly dtype: DType;
}
/** Host-side data of a tensor. f32 is a Float32Array, or a Float64Array on the float64 CPU reference. */
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

/** Throws ShapeError on anything but a dtype. */
export function checkDType(who: string, dtype: DType): void {
  if (dtype === "f32" || dtype === "i32" || dtype === "u32") return;
  const hint = String(dtype) === "bool" ? "; truth values are f32, 1 and 0" : "";
  throw new ShapeError(`${who}: dtype must be "f32", "i32" or "u32", got ${shown(dtype)}${hint}`);
}

/** Throws ShapeError on shapes with an axis that is not a whole number of at least 1. */
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
