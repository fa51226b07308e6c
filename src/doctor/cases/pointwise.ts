/** Element-wise arithmetic and the activations that other ops fuse. */

import type { Shape } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { relu, sigmoid, tanh } from "../../ops/elementwise/activation.ts";
import { add, div, mul, square, sub } from "../../ops/elementwise/arithmetic.ts";
import type { Case, Check } from "../check.ts";

const pairs: readonly (readonly [Shape, Shape])[] = [
  [[], []],
  [[7], [7]],
  [[64], [1]],
  [
    [2, 3, 4],
    [3, 1],
  ],
  [
    [1, 4],
    [5, 1],
  ],
  [
    [257, 13],
    [257, 13],
  ],
];

function binary(
  op: string,
  apply: (a: Tensor, b: Tensor) => Tensor,
  range: readonly [number, number],
): Check {
  const cases = pairs.map(
    ([a, b]): Case => ({
      name: `[${a}] and [${b}]`,
      leaves: [
        { shape: a, range },
        { shape: b, range },
      ],
      build: (x, y) => apply(x!, y!),
    }),
  );
  return { op, cases };
}

function unary(
  op: string,
  apply: (x: Tensor) => Tensor,
  shapes: readonly Shape[] = [[1], [13], [5, 67]],
): Check {
  const cases = shapes.map(
    (shape): Case => ({
      name: `[${shape}]`,
      leaves: [{ shape, range: [-3, 3] }],
      build: (x) => apply(x!),
    }),
  );
  return { op, cases };
}

export const pointwiseChecks: readonly Check[] = [
  binary("add", add, [-1, 1]),
  binary("sub", sub, [-1, 1]),
  binary("mul", mul, [-1, 1]),
  binary("div", div, [0.5, 2]),
  unary("add, mul with numbers", (x) => add(mul(x, -3.5), 2)),
  unary("relu", relu),
  unary("sigmoid", sigmoid),
  // WGSL lets tanh be off by 1e-5, whatever its size.
  { ...unary("tanh", tanh), atol: 2e-5 },
  {
    op: "pointwise chain",
    fused: true,
    atol: 2e-5,
    cases: pairs.map(
      ([a, b]): Case => ({
        name: `[${a}] and [${b}]`,
        leaves: [{ shape: a }, { shape: b }],
        build: (x, y) => mul(sigmoid(add(square(x!), y!)), sub(y!, tanh(x!))),
      }),
    ),
  },
];
