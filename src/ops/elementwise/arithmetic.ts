/** Element-wise arithmetic with broadcasting: add, sub, mul, div and their forms with a number. float32. */

import type { Tensor } from "../../graph/tensor.ts";
import { literal } from "../../kernels/elementwise/group.ts";
import { ShapeError } from "../../validation/errors.ts";
import { sumTo } from "../reduce/sum.ts";
import { fill } from "./fill.ts";
import { definePointwise } from "./pointwise.ts";

type Operand = Tensor | number;

export const addOp = definePointwise<Record<string, never>>({
  name: "add",
  args: ["a", "b"],
  wgsl: ([a, b]) => `${a} + ${b}`,
  scalar: ([a, b]) => a! + b!,
  backward: ({ inputs: [a, b], grads: [dy] }) => [sumTo(dy!, a!.shape), sumTo(dy!, b!.shape)],
});

export const subOp = definePointwise<Record<string, never>>({
  name: "sub",
  args: ["a", "b"],
  wgsl: ([a, b]) => `${a} - ${b}`,
  scalar: ([a, b]) => a! - b!,
  backward: ({ inputs: [a, b], grads: [dy] }) => [sumTo(dy!, a!.shape), sumTo(neg(dy!), b!.shape)],
});

export const mulOp = definePointwise<Record<string, never>>({
  name: "mul",
  args: ["a", "b"],
  wgsl: ([a, b]) => `${a} * ${b}`,
  scalar: ([a, b]) => a! * b!,
  backward: ({ inputs: [a, b], grads: [dy], needs }) => [
    needs[0] ? sumTo(mul(dy!, b!), a!.shape) : undefined,
    needs[1] ? sumTo(mul(dy!, a!), b!.shape) : undefined,
  ],
});

export const divOp = definePointwise<Record<string, never>>({
  name: "div",
  args: ["a", "b"],
  wgsl: ([a, b]) => `${a} / ${b}`,
  scalar: ([a, b]) => a! / b!,
  backward: ({ inputs: [a, b], outputs: [y], grads: [dy], needs }) => [
    needs[0] ? sumTo(div(dy!, b!), a!.shape) : undefined,
    needs[1] ? sumTo(neg(div(mul(dy!, y!), b!)), b!.shape) : undefined,
  ],
});

export const addScalarOp = definePointwise<{ value: number }>({
  name: "addScalar",
  args: ["a"],
  wgsl: ([a], { value }) => `${a} + ${literal(value)}`,
  scalar: ([a], { value }) => a! + value,
  backward: ({ grads: [dy] }) => [dy],
});

export const mulScalarOp = definePointwise<{ value: number }>({
  name: "mulScalar",
  args: ["a"],
  wgsl: ([a], { value }) => `${a} * ${literal(value)}`,
  scalar: ([a], { value }) => a! * value,
  backward: ({ grads: [dy], attrs }) => [mul(dy!, attrs.value)],
});

/** a + b; either may be a number. Shapes broadcast. */
export function add(a: Operand, b: Operand): Tensor {
  if (typeof a === "number")
    return withNumber("add", b, (t) => addScalarOp.one([t], { value: finite("add", a) }));
  if (typeof b === "number") return addScalarOp.one([a], { value: finite("add", b) });
  return addOp.one([a, b], {});
}

/** a - b; either may be a number. Shapes broadcast. */
export function sub(a: Operand, b: Operand): Tensor {
  if (typeof b === "number") return add(a, -b);
  if (typeof a === "number") return add(neg(b), a);
  return subOp.one([a, b], {});
}

/** a * b; either may be a number. Shapes broadcast. */
export function mul(a: Operand, b: Operand): Tensor {
  if (typeof a === "number")
    return withNumber("mul", b, (t) => mulScalarOp.one([t], { value: finite("mul", a) }));
  if (typeof b === "number") return mulScalarOp.one([a], { value: finite("mul", b) });
  return mulOp.one([a, b], {});
}

/** a / b; either may be a number. Division by zero gives ±Infinity or NaN, as in IEEE 754. Shapes broadcast. */
export function div(a: Operand, b: Operand): Tensor {
  if (typeof b === "number")
    return withNumber("div", a, (t) => mulScalarOp.one([t], { value: finite("div", 1 / b) }));
  if (typeof a === "number") return divOp.one([fill([], finite("div", a)), b], {});
  return divOp.one([a, b], {});
}

/** -a. */
export function neg(a: Tensor): Tensor {
  return mul(a, -1);
}

/** a², element by element. */
export function square(a: Tensor): Tensor {
  return mulOp.one([a, a], {}, "square");
}

function withNumber(op: string, operand: Operand, build: (t: Tensor) => Tensor): Tensor {
  if (typeof operand === "number")
    throw new ShapeError(`${op}: one operand must be a tensor, got two numbers`);
  return build(operand);
}

function finite(op: string, value: number): number {
  if (!Number.isFinite(value)) throw new ShapeError(`${op}: number operand must be finite, got ${value}`);
  return value;
}
