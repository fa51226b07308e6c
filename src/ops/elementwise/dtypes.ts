/**
 * What element-wise ops that also take integers share: which dtypes go together, how integers wrap around, and numbers beside
 * tensors. Truth values are f32: 1 for true, 0 for false; as a condition, everything but 0 is true, NaN too, in any dtype.
 */
import { expectTensor } from "../../graph/op.ts";
import type { DType } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { isValueOf } from "../../graph/values.ts";
import { ShapeError } from "../../validation/errors.ts";
import { fill } from "./fill.ts";

export type Operand = Tensor | number;

/** The dtype that all inputs have, which is also the result's. */
export const same = ([first, ...others]: readonly DType[]): DType | undefined =>
  others.every((dtype) => dtype === first) ? first : undefined;

/** A truth value, of inputs of one dtype. */
export const truth = (inputs: readonly DType[]): DType | undefined =>
  same(inputs) === undefined ? undefined : "f32";

/** A whole number modulo 2^32, as integers of 32 bits hold it; other numbers as they are for f32. */
export function wrapped(value: number, dtype: DType | undefined): number {
  return dtype === "i32" ? value | 0 : dtype === "u32" ? value >>> 0 : value;
}

/** WGSL: whether an operand counts as false. Needs special-functions.wgsl. */
export const isFalse = (operand: string | undefined, dtype: DType | undefined): string =>
  dtype === "f32" ? `isZero(${operand})` : `(${operand} == 0)`;

/** `value` as it is; throws ShapeError where `dtype` is one of integers that do not hold it. */
export function expectNumber(op: string, value: number, dtype: DType): number {
  if (dtype === "f32" || isValueOf(dtype, value)) return value;
  throw new ShapeError(
    `${op}: a number beside an ${dtype} tensor must be a whole number in ${dtype}'s range, got ${value}; ` +
      'convert the tensor with ops.cast(x, "f32")',
  );
}

/** Both operands as tensors: a number becomes a constant of the other one's dtype, f32 if both are numbers. */
export function tensors(op: string, a: Operand, b: Operand): [Tensor, Tensor] {
  const dtypeOf = (operand: Operand, name: string): DType | undefined => {
    if (typeof operand === "number") return undefined;
    expectTensor(op, name, operand);
    return operand.dtype;
  };
  const dtype = dtypeOf(a, "a") ?? dtypeOf(b, "b") ?? "f32";
  const tensor = (operand: Operand): Tensor =>
    typeof operand === "number" ? fill([], expectNumber(op, operand, dtype), dtype) : operand;
  return [tensor(a), tensor(b)];
}
