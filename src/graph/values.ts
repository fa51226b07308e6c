/**
 * Numbers from the host as data of a tensor: one rule for every backend, for constants and for initial values. An array of
 * the matching kind is taken as it is; other numbers are converted if that changes none of them except by rounding to float32.
 */
import { ShapeError, ValueError } from "../validation/errors.ts";
import type { Data, DType } from "./spec.ts";

/** Numbers as users have them: any array of numbers, big integers or booleans, nested or not. */
export type Values =
  | Data
  | ArrayLike<number>
  | ArrayLike<bigint>
  | ArrayLike<boolean>
  | readonly NestedValues[];
export type NestedValues = number | bigint | boolean | readonly NestedValues[];

/** The arrays that belong to each dtype. */
interface OwnArrays {
  readonly f32: Float32Array | Float64Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
}

/** V as values of a tensor of dtype D; never where V is an array of another dtype for sure. `refuseOtherDType` checks at run time. */
export type ValuesOf<D extends DType, V> = 0 extends 1 & V
  ? V
  : [V] extends [OwnArrays[Exclude<DType, D>]]
    ? never
    : V;

const KINDS = { f32: "Float32Array", i32: "Int32Array", u32: "Uint32Array" } as const;
const RANGES = { i32: [-(2 ** 31), 2 ** 31 - 1], u32: [0, 2 ** 32 - 1] } as const;
/** Halfway from the largest float32 to 2^128: from here on numbers round to infinity. */
const F32_LIMIT = 2 ** 128 - 2 ** 103;

/** Whether `dtype` has `value`: for integers whole and in range, for f32 not beyond its largest number, unless infinite. */
export function isValueOf(dtype: DType, value: number): boolean {
  return dtype === "f32"
    ? !(Math.abs(value) >= F32_LIMIT) || Math.abs(value) === Number.POSITIVE_INFINITY
    : Number.isInteger(value) && value >= RANGES[dtype][0] && value <= RANGES[dtype][1];
}

/**
 * `given` as data of `dtype`: itself where it is a Float32Array or Float64Array for f32, an Int32Array for i32, a Uint32Array for
 * u32; otherwise converted. Throws ValueError, naming `who`, on anything but an array of numbers (ArrayBuffer, DataView, text), on
 * fractions, NaN and numbers out of range for integers, and on finite numbers that float32 can't hold.
 */
export function toData(who: string, dtype: DType, given: Values): Data {
  if (dtype === "f32" && given instanceof Float32Array) return given;
  if (dtype === "i32" && given instanceof Int32Array) return given;
  if (dtype === "u32" && given instanceof Uint32Array) return given;
  const from = numbersOf(who, dtype, given);
  const check = (value: number, i: number): void => {
    if (!isValueOf(dtype, value)) {
      const wanted =
        dtype === "f32" ? "a number that float32 can hold" : `a whole number in ${dtype}'s range`;
      throw new ValueError(
        `${who}: needs ${KINDS[dtype]} or numbers that convert, got ${value} at ${i}, not ${wanted}`,
      );
    }
  };
  if (from instanceof Float64Array && dtype === "f32") {
    from.forEach(check);
    return from;
  }
  const made = new { f32: Float64Array, i32: Int32Array, u32: Uint32Array }[dtype](from.length);
  for (let i = 0; i < from.length; i++) {
    const value = from[i];
    if (typeof value !== "number" && typeof value !== "bigint" && typeof value !== "boolean") {
      throw new ValueError(`${who}: needs ${KINDS[dtype]} or numbers, got ${describe(value)} at ${i}`);
    }
    const number = Number(value);
    check(number, i);
    made[i] = number;
  }
  return made;
}

/**
 * Throws ValueError where `given` is an array of another dtype: floats for integers, Int32Array or Uint32Array for another one than its
 * own. Such an array is a mistake more often than meant, even where its numbers would fit.
 */
export function refuseOtherDType(who: string, dtype: DType, given: unknown): void {
  const name = ArrayBuffer.isView(given) ? describe(given) : "";
  const own = dtypeOf(name);
  if (own === undefined || own === dtype) return;
  throw new ValueError(
    `${who}: needs ${KINDS[dtype]} or an array of numbers, got ${name}, which holds ${own}`,
  );
}

/** The dtype that a kind of typed array belongs to, by its name. */
function dtypeOf(name: string): DType | undefined {
  if (/^Float\d+Array$/.test(name)) return "f32";
  return name === "Int32Array" ? "i32" : name === "Uint32Array" ? "u32" : undefined;
}

function numbersOf(who: string, dtype: DType, given: unknown): ArrayLike<unknown> {
  if (ArrayBuffer.isView(given) && !(given instanceof DataView))
    return given as unknown as ArrayLike<unknown>;
  if (Array.isArray(given)) return given.some(Array.isArray) ? flat(who, given) : given;
  throw new ValueError(`${who}: needs ${KINDS[dtype]} or an array of numbers, got ${describe(given)}`);
}

/** Nested arrays as one array, in row-major order. Throws ShapeError where arrays of one level differ in length. */
function flat(who: string, rows: readonly unknown[]): unknown[] {
  const [first] = rows;
  const ragged = rows.some(
    (row) =>
      Array.isArray(row) !== Array.isArray(first) ||
      (row as unknown[] | null)?.length !== (first as unknown[] | null)?.length,
  );
  if (ragged) throw new ShapeError(`${who}: nested arrays must all have one length at each level`);
  const inner = rows.flat();
  return inner.some(Array.isArray) ? flat(who, inner) : inner;
}

function describe(value: unknown): string {
  if (value === null || typeof value !== "object") return typeof value === "string" ? "text" : String(value);
  return (value as { constructor?: { name?: string } }).constructor?.name ?? "an object";
}

/** The shape of nested arrays, by their first elements; [length] for other arrays. */
export function shapeOf(given: Values): number[] {
  const shape: number[] = [];
  for (let level: unknown = given; Array.isArray(level); level = level[0]) shape.push(level.length);
  return shape.length > 0 ? shape : [given?.length];
}
