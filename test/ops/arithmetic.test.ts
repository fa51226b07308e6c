/** add, sub, mul, div: every way shapes can broadcast, and with numbers. */
import { expect, it } from "vitest";
import type { Shape } from "../../src/graph/spec.ts";
import { input } from "../../src/graph/tensor.ts";
import { add, div, mul, neg, square, sub } from "../../src/ops/elementwise/arithmetic.ts";
import { checkOp } from "../support/check-op.ts";

const pairs: readonly (readonly [Shape, Shape])[] = [
  [[], []],
  [[1], [1]],
  [[7], [7]],
  [[64], [1]],
  [[3, 5], [5]],
  [
    [3, 5],
    [3, 1],
  ],
  [
    [2, 3, 4],
    [3, 1],
  ],
  [[6, 8], [8]],
  [
    [5, 1, 12],
    [3, 1],
  ],
  [
    [5, 3, 12],
    [3, 12],
  ],
  [
    [1, 4],
    [5, 1],
  ],
  [
    [2, 1, 3, 1],
    [1, 5, 1, 7],
  ],
  [
    [257, 13],
    [257, 13],
  ],
  [
    [4, 6, 14, 14],
    [6, 1, 1],
  ],
  [[130001], [130001]],
];

for (const [title, op, range] of [
  ["add", add, [-1, 1]],
  ["sub", sub, [-1, 1]],
  ["mul", mul, [-1, 1]],
  ["div", div, [0.5, 2]],
] as const) {
  checkOp(
    title,
    pairs.map(([a, b]) => ({
      name: `[${a}] ${title} [${b}]`,
      inputs: [
        { shape: a, range },
        { shape: b, range },
      ],
      build: (x, y) => op(x!, y!),
    })),
  );
}

checkOp("with numbers", [
  { name: "x + 2", inputs: [{ shape: [13] }], build: (x) => add(x!, 2) },
  { name: "1 - x", inputs: [{ shape: [13] }], build: (x) => sub(1, x!) },
  { name: "x * -3.5", inputs: [{ shape: [5, 3] }], build: (x) => mul(-3.5, x!) },
  { name: "x / 4", inputs: [{ shape: [64] }], build: (x) => div(x!, 4) },
  { name: "1 / x", inputs: [{ shape: [65], range: [1, 2] }], build: (x) => div(1, x!) },
  { name: "-x", inputs: [{ shape: [2] }], build: (x) => neg(x!) },
  { name: "x²", inputs: [{ shape: [33] }], build: (x) => square(x!) },
  { name: "x * x + x", inputs: [{ shape: [33] }], build: (x) => add(mul(x!, x!), x!) },
]);

it("refuses shapes that do not broadcast, naming both", () => {
  expect(() => add(input([2, 3]), input([4, 3]))).toThrow(
    /add: shapes do not broadcast, got f32\[2, 3\], f32\[4, 3\]/,
  );
});
