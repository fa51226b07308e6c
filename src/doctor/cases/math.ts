/** Functions of one number, comparisons, choices. What adapters may round differently is tolerated as WGSL has it. */

import type { Tensor } from "../../graph/tensor.ts";
import { gelu, softplus } from "../../ops/elementwise/activations.ts";
import * as compare from "../../ops/elementwise/compare.ts";
import * as math from "../../ops/elementwise/math.ts";
import type { Case, Check, Tolerance } from "../check.ts";

type Unary = (x: Tensor) => Tensor;

function unary(op: string, apply: Unary, range: readonly [number, number], tolerance?: Tolerance): Check {
  const cases = [[1], [13], [67, 5]].map(
    (shape): Case => ({ name: `[${shape}]`, leaves: [{ shape, range }], build: (x) => apply(x!) }),
  );
  return { op, cases, ...tolerance };
}

// WGSL, "accuracy of built-ins": exp and log some units in the last place, and pow as exp2 of a log2 has it.
const rounded = { atol: 2e-6, rtol: 2e-5 };
// The same place: sine and cosine may be off by 2^-11 between -π and π, whatever their size.
const wave = { atol: 2 ** -11 };

const steps: readonly (readonly [string, Unary])[] = [
  ["sign", math.sign],
  ["floor", math.floor],
  ["ceil", math.ceil],
  ["round", math.round],
];

const comparisons = Object.entries({
  eq: compare.eq,
  ne: compare.ne,
  lt: compare.lt,
  le: compare.le,
  gt: compare.gt,
  ge: compare.ge,
});

export const mathChecks: readonly Check[] = [
  unary("abs", math.abs, [-3, 3]),
  unary("exp", math.exp, [-5, 5], rounded),
  unary("expm1", math.expm1, [-2, 2], rounded),
  unary("log", math.log, [0.1, 9], rounded),
  unary("log1p", math.log1p, [-0.9, 5], rounded),
  unary("sqrt", math.sqrt, [0.1, 9]),
  unary("rsqrt", math.rsqrt, [0.1, 9]),
  unary("sin", math.sin, [-3, 3], wave),
  unary("cos", math.cos, [-3, 3], wave),
  unary("erf", math.erf, [-3, 3], rounded),
  unary("gelu", gelu, [-3, 3], rounded),
  unary("softplus", softplus, [-5, 5], rounded),
  unary("pow 3", (x) => math.pow(x, 3), [-2, 2], rounded),
  unary("pow 0.5", (x) => math.pow(x, 0.5), [0.2, 3], rounded),
  {
    op: "pow",
    ...rounded,
    cases: [
      {
        name: "[4, 1] to [7]",
        leaves: [
          { shape: [4, 1], range: [0.2, 3] },
          { shape: [7], range: [-2, 2] },
        ],
        build: (a, b) => math.pow(a!, b!),
      },
    ],
  },
  unary("clamp", (x) => math.clamp(x, -0.5, 0.25), [-1, 1]),
  ...steps.map(
    ([op, apply]): Check => ({
      op,
      gradients: false,
      cases: [
        {
          name: "around whole numbers and halves",
          leaves: [{ shape: [9], data: [-2.5, -1.5, -0.75, -0.5, 0, 0.5, 1.25, 1.5, 2.5] }],
          build: (x) => apply(x!),
        },
      ],
    }),
  ),
  ...comparisons.map(
    ([op, apply]): Check => ({
      op,
      gradients: false,
      cases: [
        {
          name: "[3, 1] and [5]",
          leaves: [
            { shape: [3, 1], data: [-1, 0, 2] },
            { shape: [5], data: [-2, -1, 0, 2, 3] },
          ],
          build: (a, b) => apply(a!, b!),
        },
      ],
    }),
  ),
  {
    op: "minimum, maximum, where",
    cases: [
      compare.minimum,
      compare.maximum,
      (a: Tensor, b: Tensor) => compare.where(compare.gt(a, b), b, 1),
    ].map(
      (apply, i): Case => ({
        name: `[5, 1] and [13], ${["minimum", "maximum", "where"][i]}`,
        leaves: [{ shape: [5, 1] }, { shape: [13] }],
        build: (a, b) => apply(a!, b!),
      }),
    ),
  },
];
