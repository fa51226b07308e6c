/**
 * Comparisons, `where`, minimum and maximum, element by element with broadcasting, of any dtype. True is 1 and false is 0, in
 * float32. Comparisons have no gradient. NaN is unequal to everything, itself included: `ne` gives 1 and every other comparison 0. NaN
 * as a condition counts as true. minimum and maximum give NaN where one of the two is NaN.
 */
import type { Tensor } from "../../graph/tensor.ts";
import { specialFunctions } from "../../kernels/elementwise/wgsl-functions.ts";
import { sumTo } from "../reduce/sum.ts";
import { mul } from "./arithmetic.ts";
import { isFalse, type Operand, same, tensors, truth } from "./dtypes.ts";
import { definePointwise } from "./pointwise.ts";

type None = Record<string, never>;

// @__NO_SIDE_EFFECTS__
function comparison(
  name: string,
  wgsl: (a: string, b: string) => string,
  operator: string,
  holds: (a: number, b: number) => boolean,
) {
  return definePointwise<None>({
    name,
    args: ["a", "b"],
    functions: [specialFunctions],
    dtype: truth,
    wgsl: ([a, b], _, [dtype]) =>
      `select(0.0, 1.0, ${dtype === "f32" ? wgsl(a as string, b as string) : `${a} ${operator} ${b}`})`,
    scalar: ([a, b]) => (holds(a!, b!) ? 1 : 0),
    backward: () => [undefined, undefined],
  });
}

const less = (a: string, b: string) => `lessThan(${a}, ${b})`;
const equal = (a: string, b: string) => `equals(${a}, ${b})`;

export const eqOp = comparison("eq", equal, "==", (a, b) => a === b);
export const neOp = comparison(
  "ne",
  (a, b) => `!${equal(a, b)}`,
  "!=",
  (a, b) => a !== b,
);
export const ltOp = comparison("lt", less, "<", (a, b) => a < b);
export const leOp = comparison(
  "le",
  (a, b) => `${less(a, b)} | ${equal(a, b)}`,
  "<=",
  (a, b) => a <= b,
);
export const gtOp = comparison(
  "gt",
  (a, b) => less(b, a),
  ">",
  (a, b) => a > b,
);
export const geOp = comparison(
  "ge",
  (a, b) => `${less(b, a)} | ${equal(a, b)}`,
  ">=",
  (a, b) => a >= b,
);

export const whereOp = definePointwise<None>({
  name: "where",
  args: ["condition", "a", "b"],
  functions: [specialFunctions],
  dtype: ([, ...values]) => same(values),
  wgsl: ([condition, a, b], _, [dtype]) => `select(${a}, ${b}, ${isFalse(condition, dtype)})`,
  scalar: ([condition, a, b]) => (condition !== 0 ? a! : b!),
  backward: ({ inputs: [condition, a, b], grads: [dy], needs }) => [
    undefined,
    needs[1] ? sumTo(where(condition!, dy!, 0), a!.shape) : undefined,
    needs[2] ? sumTo(where(condition!, 0, dy!), b!.shape) : undefined,
  ],
});

/** Two equal values get half the gradient each; where one is NaN, both get all of it, as in PyTorch. */
// @__NO_SIDE_EFFECTS__
function extremum(
  name: string,
  [wgsl, ofIntegers]: readonly [string, string],
  scalar: (a: number, b: number) => number,
  loses: (own: Tensor, other: Tensor) => Tensor,
) {
  return definePointwise<None>({
    name,
    args: ["a", "b"],
    functions: [specialFunctions],
    dtype: same,
    wgsl: ([a, b], _, [dtype]) => `${dtype === "f32" ? wgsl : ofIntegers}(${a}, ${b})`,
    scalar: ([a, b]) => scalar(a as number, b as number),
    backward: ({ inputs: [a, b], grads: [dy], needs }) => {
      const share = (own: Tensor, other: Tensor) =>
        where(loses(own, other), 0, mul(dy!, where(eq(own, other), 0.5, 1)));
      return [
        needs[0] ? sumTo(share(a!, b!), a!.shape) : undefined,
        needs[1] ? sumTo(share(b!, a!), b!.shape) : undefined,
      ];
    },
  });
}

export const minimumOp = extremum("minimum", ["smaller", "min"], Math.min, (own, other) => gt(own, other));
export const maximumOp = extremum("maximum", ["larger", "max"], Math.max, (own, other) => lt(own, other));

/** 1 where a == b, else 0. Operands of one dtype; a number takes that of the tensor. */
export const eq = (a: Operand, b: Operand): Tensor => eqOp.one(tensors("eq", a, b), {});
/** 1 where a != b, else 0. */
export const ne = (a: Operand, b: Operand): Tensor => neOp.one(tensors("ne", a, b), {});
/** 1 where a < b, else 0. */
export const lt = (a: Operand, b: Operand): Tensor => ltOp.one(tensors("lt", a, b), {});
/** 1 where a <= b, else 0. */
export const le = (a: Operand, b: Operand): Tensor => leOp.one(tensors("le", a, b), {});
/** 1 where a > b, else 0. */
export const gt = (a: Operand, b: Operand): Tensor => gtOp.one(tensors("gt", a, b), {});
/** 1 where a >= b, else 0. */
export const ge = (a: Operand, b: Operand): Tensor => geOp.one(tensors("ge", a, b), {});
/** a where condition, of any dtype, is not 0 (NaN is not), else b. The condition has no gradient. */
export const where = (condition: Tensor, a: Operand, b: Operand): Tensor =>
  whereOp.one([condition, ...tensors("where", a, b)], {});
/** The smaller of a and b; NaN where one of them is. */
export const minimum = (a: Operand, b: Operand): Tensor => minimumOp.one(tensors("minimum", a, b), {});
/** The larger of a and b; NaN where one of them is. */
export const maximum = (a: Operand, b: Operand): Tensor => maximumOp.one(tensors("maximum", a, b), {});
