/**
 * Element-wise arithmetic with broadcasting: add, sub, mul, div and their forms with a number. Operands have one dtype, which is also
 * the result's. Integers wrap around at 32 bits.
 */

import { expectTensor } from "../../graph/op.ts";
import type { DType } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { literal } from "../../kernels/elementwise/group.ts";
import { ShapeError } from "../../validation/errors.ts";
import { sumTo } from "../reduce/sum.ts";
import { expectNumber, type Operand, same, tensors, wrapped } from "./dtypes.ts";
import { definePointwise } from "./pointwise.ts";

/** Of integers modulo 2^32. */
export function product(a: number, b: number, dtype: DType | undefined): number {
  return dtype === "f32" ? a * b : wrapped(Math.imul(a, b), dtype);
}

/** Of integers as WGSL defines it: cut off towards 0; a / 0 is a, and so is -2^31 / -1. */
function quotient(a: number, b: number, dtype: DType | undefined): number {
  if (dtype === "f32") return a / b;
  return b === 0 ? a : wrapped(Math.trunc(a / b), dtype);
}

export const addOp = definePointwise<Record<string, never>>({
  name: "add",
  args: ["a", "b"],
  dtype: same,
  wgsl: ([a, b]) => `${a} + ${b}`,
  scalar: ([a, b], _, [dtype]) => wrapped(a! + b!, dtype),
  backward: ({ inputs: [a, b], grads: [dy] }) => [sumTo(dy!, a!.shape), sumTo(dy!, b!.shape)],
});

export const subOp = definePointwise<Record<string, never>>({
  name: "sub",
  args: ["a", "b"],
  dtype: same,
  wgsl: ([a, b]) => `${a} - ${b}`,
  scalar: ([a, b], _, [dtype]) => wrapped(a! - b!, dtype),
  backward: ({ inputs: [a, b], grads: [dy] }) => [sumTo(dy!, a!.shape), sumTo(neg(dy!), b!.shape)],
});

export const mulOp = definePointwise<Record<string, never>>({
  name: "mul",
  args: ["a", "b"],
  dtype: same,
  wgsl: ([a, b]) => `${a} * ${b}`,
  scalar: ([a, b], _, [dtype]) => product(a!, b!, dtype),
  backward: ({ inputs: [a, b], grads: [dy], needs }) => [
    needs[0] ? sumTo(mul(dy!, b!), a!.shape) : undefined,
    needs[1] ? sumTo(mul(dy!, a!), b!.shape) : undefined,
  ],
});

export const divOp = definePointwise<Record<string, never>>({
  name: "div",
  args: ["a", "b"],
  dtype: same,
  wgsl: ([a, b]) => `${a} / ${b}`,
  scalar: ([a, b], _, [dtype]) => quotient(a!, b!, dtype),
  backward: ({ inputs: [a, b], outputs: [y], grads: [dy], needs }) => [
    needs[0] ? sumTo(div(dy!, b!), a!.shape) : undefined,
    needs[1] ? sumTo(neg(div(mul(dy!, y!), b!)), b!.shape) : undefined,
  ],
});

export const addScalarOp = definePointwise<{ value: number }>({
  name: "addScalar",
  args: ["a"],
  dtype: same,
  wgsl: ([a], { value }, [dtype]) => `${a} + ${literal(value, dtype)}`,
  scalar: ([a], { value }, [dtype]) => wrapped(a! + value, dtype),
  backward: ({ grads: [dy] }) => [dy],
});

export const mulScalarOp = definePointwise<{ value: number }>({
  name: "mulScalar",
  args: ["a"],
  dtype: same,
  wgsl: ([a], { value }, [dtype]) => `${a} * ${literal(value, dtype)}`,
  scalar: ([a], { value }, [dtype]) => product(a!, value, dtype),
  backward: ({ grads: [dy], attrs }) => [mul(dy!, attrs.value)],
});

/** a + b; either may be a number. Shapes broadcast. */
export function add(a: Operand, b: Operand): Tensor {
  if (typeof a === "number") return addNumber("add", b, a);
  if (typeof b === "number") return addNumber("add", a, b);
  return addOp.one([a, b], {});
}

/** a - b; either may be a number. Shapes broadcast. */
export function sub(a: Operand, b: Operand): Tensor {
  if (typeof b === "number") return addNumber("sub", a, b, -1);
  if (typeof a === "number") return addNumber("sub", neg(b), a);
  return subOp.one([a, b], {});
}

/** a * b; either may be a number. Shapes broadcast. */
export function mul(a: Operand, b: Operand): Tensor {
  if (typeof a === "number") return mulNumber("mul", b, a);
  if (typeof b === "number") return mulNumber("mul", a, b);
  return mulOp.one([a, b], {});
}

/**
 * a / b; either may be a number. Shapes broadcast. Division by zero gives ±Infinity or NaN, as in IEEE 754. Quotients of integers are
 * cut off towards 0, as in C and WGSL; a / 0 is then a, and the number 0 as a divisor is refused. For fractions, cast to f32.
 */
export function div(a: Operand, b: Operand): Tensor {
  if (typeof b === "number") {
    const tensor = expectBesideNumber("div", a);
    if (tensor.dtype === "f32") return mulNumber("div", a, 1 / b);
    if (b === 0) throw new ShapeError("div: integers can't be divided by 0");
  } else if (typeof a === "number") finite("div", a);
  return divOp.one(tensors("div", a, b), {});
}

/** -a; of u32 2^32 - a. */
export function neg(a: Tensor): Tensor {
  expectTensor("neg", "a", a);
  return mulScalarOp.one([a], { value: wrapped(-1, a.dtype) });
}

/** a², element by element. */
export function square(a: Tensor): Tensor {
  return mulOp.one([a, a], {}, "square");
}

/** `operand` + sign * value. */
function addNumber(op: string, operand: Operand, value: number, sign = 1): Tensor {
  const tensor = expectBesideNumber(op, operand);
  const checked = expectNumber(op, finite(op, value), tensor.dtype);
  return addScalarOp.one([tensor], { value: wrapped(sign * checked, tensor.dtype) });
}

function mulNumber(op: string, operand: Operand, value: number): Tensor {
  const tensor = expectBesideNumber(op, operand);
  return mulScalarOp.one([tensor], { value: expectNumber(op, finite(op, value), tensor.dtype) });
}

function expectBesideNumber(op: string, operand: Operand): Tensor {
  if (typeof operand === "number")
    throw new ShapeError(`${op}: one operand must be a tensor, got two numbers`);
  expectTensor(op, "its operand", operand);
  return operand;
}

function finite(op: string, value: number): number {
  if (!Number.isFinite(value)) throw new ShapeError(`${op}: number operand must be finite, got ${value}`);
  return value;
}
