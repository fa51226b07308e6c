/** Cases of the doctor for element-wise ops: arithmetic, functions of one number, comparisons, and chains that are fused. */

import type { Tensor } from "../../graph/tensor.ts";
import type { Tolerance } from "../../numbers/allclose.ts";
import { gelu, silu, softplus } from "../../ops/elementwise/activations.ts";
import { add, div, mul, square, sub } from "../../ops/elementwise/arithmetic.ts";
import { cast } from "../../ops/elementwise/cast.ts";
import * as compare from "../../ops/elementwise/compare.ts";
import { logicalAnd, logicalNot, logicalOr, logicalXor } from "../../ops/elementwise/logical.ts";
import * as math from "../../ops/elementwise/math.ts";
import { relu, sigmoid, tanh } from "../../ops/elementwise/relu-sigmoid-tanh.ts";
import { swiglu } from "../../ops/elementwise/swiglu.ts";
import { type Check, each } from "../check.ts";

type Unary = (x: Tensor) => Tensor;
type Binary = (a: Tensor, b: Tensor) => Tensor;

const PAIRS = ["scalar scalar", "7 7", "64 1", "2x3x4 3x1", "1x4 5x1", "257x13 257x13"];

const binary = (op: string, apply: Binary, low = -1, high = 1): Check => ({
  op,
  range: [low, high],
  cases: each(PAIRS, (a, b) => apply(a, b)),
});

const unary = (
  op: string,
  apply: Unary,
  low: number,
  high: number,
  tolerance?: Partial<Tolerance>,
): Check => ({
  op,
  range: [low, high],
  cases: each(["1", "13", "67x5"], (x) => apply(x)),
  ...tolerance,
});

// WGSL, "accuracy of built-in functions": exp and log are off by some units in the last place, pow is exp2 of a log2.
const ROUNDED = { atol: 2e-6, rtol: 2e-5 };
// The same section: sine and cosine may be off by 2^-11 between -π and π.
const WAVE = { atol: 2 ** -11 };

/** Functions without a gradient, around the numbers where they change. */
const steps = { sign: math.sign, floor: math.floor, ceil: math.ceil, round: math.round };
const STEP_DATA = [-2.5, -1.5, -0.75, -0.5, 0, 0.5, 1.25, 1.5, 2.5];

const { eq, ne, lt, le, gt, ge, minimum, maximum, where } = compare;

/** Around the ends of the ranges, and divisors of 0. */
const WHOLE = {
  i32: [2 ** 31 - 1, -(2 ** 31), -1, 46341, 0, -7, 12],
  u32: [2 ** 32 - 1, 2 ** 31, 0, 65537, 7, 1, 12],
};

/** All that takes integers, on 7 x 7 pairs. */
const integers = (dtype: "i32" | "u32"): Check => ({
  op: `integers ${dtype}`,
  gradients: false,
  cases: Object.entries({
    add,
    sub,
    mul,
    div,
    minimum,
    maximum,
    eq,
    lt,
    le,
    where: (a, b) => where(a, b, 3),
  } as Record<string, Binary>).map(([name, apply]) => ({
    name,
    leaves: [
      { shape: [7, 1], dtype, data: WHOLE[dtype] },
      { shape: [7], dtype, data: WHOLE[dtype] },
    ],
    build: (a, b) => apply(a, b),
  })),
});

export const elementwiseChecks: readonly Check[] = [
  binary("add", add),
  binary("sub", sub),
  binary("mul", mul),
  binary("div", div, 0.5, 2),
  unary("add, mul with numbers", (x) => add(mul(x, -3.5), 2), -3, 3),
  unary("relu", relu, -3, 3),
  unary("sigmoid", sigmoid, -3, 3),
  // WGSL lets tanh be off by 1e-5, whatever its value.
  unary("tanh", tanh, -3, 3, { atol: 2e-5 }),
  {
    op: "pointwise chain",
    fused: true,
    atol: 2e-5,
    cases: each(PAIRS, (x, y) => mul(sigmoid(add(square(x), y)), sub(y, tanh(x)))),
  },
  unary("abs", math.abs, -3, 3),
  unary("exp", math.exp, -5, 5, ROUNDED),
  unary("expm1", math.expm1, -2, 2, ROUNDED),
  unary("log", math.log, 0.1, 9, ROUNDED),
  unary("log1p", math.log1p, -0.9, 5, ROUNDED),
  unary("sqrt", math.sqrt, 0.1, 9),
  unary("rsqrt", math.rsqrt, 0.1, 9),
  unary("sin", math.sin, -3, 3, WAVE),
  unary("cos", math.cos, -3, 3, WAVE),
  unary("erf", math.erf, -3, 3, ROUNDED),
  unary("gelu", gelu, -3, 3, ROUNDED),
  unary("gelu by tanh", (x) => gelu(x, { approximate: "tanh" }), -3, 3, WAVE),
  unary("silu", silu, -5, 5, ROUNDED),
  {
    op: "swiglu",
    ...ROUNDED,
    cases: each([[{ shape: [9, 14], range: [-4, 4] }], [{ shape: [2, 3, 130] }]], (x) => swiglu(x)),
  },
  unary("softplus", softplus, -5, 5, ROUNDED),
  unary("pow 3", (x) => math.pow(x, 3), -2, 2, ROUNDED),
  unary("pow 0.5", (x) => math.pow(x, 0.5), 0.2, 3, ROUNDED),
  {
    op: "pow",
    ...ROUNDED,
    cases: each(
      [
        [
          { shape: [4, 1], range: [0.2, 3] },
          { shape: [7], range: [-2, 2] },
        ],
      ],
      (a, b) => math.pow(a, b),
    ),
  },
  unary("clamp", (x) => math.clamp(x, -0.5, 0.25), -1, 1),
  ...Object.entries(steps).map(
    ([op, apply]): Check => ({
      op,
      gradients: false,
      cases: each([[{ shape: [9], data: STEP_DATA }]], (x) => apply(x)),
    }),
  ),
  ...Object.entries({ eq, ne, lt, le, gt, ge }).map(
    ([op, apply]): Check => ({
      op,
      gradients: false,
      cases: each(
        [
          [
            { shape: [3, 1], data: [-1, 0, 2] },
            { shape: [5], data: [-2, -1, 0, 2, 3] },
          ],
        ],
        (a, b) => apply(a, b),
      ),
    }),
  ),
  integers("i32"),
  integers("u32"),
  {
    op: "cast",
    gradients: false,
    cases: each([[{ shape: [8], data: [-1e10, -2.5, -0.5, 0, 0.5, 2.5, 3e9, 1e10] }]], (x) => ({
      outputs: [cast(x, "i32"), cast(x, "u32"), cast(cast(x, "u32"), "i32"), cast(cast(x, "i32"), "f32")],
    })),
  },
  {
    op: "logicalAnd, logicalOr, logicalXor, logicalNot",
    gradients: false,
    cases: each(
      [
        [
          { shape: [2, 1], data: [0, 0.5] },
          { shape: [3], dtype: "i32", data: [-1, 0, 1] },
        ],
      ],
      (a, b) => ({ outputs: [logicalAnd(a, b), logicalOr(a, b), logicalXor(a, b), logicalNot(b)] }),
    ),
  },
  {
    op: "minimum, maximum, where",
    cases: [
      { name: "minimum", leaves: "5x1 13", build: (a, b) => minimum(a, b) },
      { name: "maximum", leaves: "5x1 13", build: (a, b) => maximum(a, b) },
      { name: "where", leaves: "5x1 13", build: (a, b) => where(gt(a, b), b, 1) },
    ],
  },
];
