/** copy and expand: the same values in storage of their own, stretched where asked. */
import { expect, it } from "vitest";
import type { Shape } from "../../src/graph/spec.ts";
import { input } from "../../src/graph/tensor.ts";
import { copy } from "../../src/ops/elementwise/copy.ts";
import { expand } from "../../src/ops/reduce/sum.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

const shapes: readonly Shape[] = [[], [1], [3], [4], [63], [257], [2, 3, 5], [40009]];

checkOp(
  "copy",
  shapes.map((shape) => ({ name: `[${shape}]`, inputs: [{ shape }], build: (x) => copy(x!) })),
  { atol: 0, rtol: 0 },
);

const stretches: readonly (readonly [Shape, Shape])[] = [
  [[], []],
  [[], [7]],
  [[1], [65]],
  [[3], [2, 3]],
  [
    [3, 1],
    [3, 5],
  ],
  [
    [1, 3, 1],
    [2, 3, 5],
  ],
  [
    [2, 1, 3, 1],
    [2, 5, 3, 7],
  ],
  [
    [6, 1, 1],
    [4, 6, 14, 14],
  ],
];

// Gradients sum up to 784 terms of either sign.
checkOp(
  "expand",
  stretches.map(([from, to]) => ({
    name: `[${from}] to [${to}]`,
    inputs: [{ shape: from }],
    build: (x) => expand(x!, to),
  })),
  { atol: 1e-5 },
);

it("keeps special values", async () => {
  const values = [0, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 3e38, 2 ** -126];
  const x = input([values.length]);
  const y = copy(x);
  const gpu = await gpuBackend();
  const program = await gpu.compile({ outputs: [y] });
  gpu.write(x, Float32Array.from(values));
  program.run();
  expect([...(await program.read(y))]).toEqual(values.map(Math.fround));
});

it("refuses shapes that can't be stretched to", () => {
  expect(() => expand(input([3]), [2])).toThrow(/expand: shapes do not broadcast, got f32\[3\], f32\[2\]/);
  expect(() => expand(input([3]), [1])).toThrow(/expand: \[1\] is smaller than the tensor, got f32\[3\]/);
  expect(() => expand(input([2, 3]), [3])).toThrow(
    /expand: \[3\] is smaller than the tensor, got f32\[2, 3\]/,
  );
  expect(() => expand(input([1]), [0])).toThrow(/expand: every axis must be a whole number of at least 1/);
});
