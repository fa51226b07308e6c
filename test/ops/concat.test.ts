/** concat, stack, split: every axis, sizes that differ, one tensor twice, integers, refusals. */
import { expect, it } from "vitest";
import type { Shape } from "../../src/graph/spec.ts";
import { constant, input } from "../../src/graph/tensor.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import { concat, split, stack } from "../../src/ops/shape/concat.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

const cases: readonly (readonly [Shape[], number])[] = [
  [[[1], [1]], 0],
  [[[7], [3], [1]], 0],
  [
    [
      [3, 5],
      [64, 5],
    ],
    0,
  ],
  [
    [
      [3, 5],
      [3, 65],
      [3, 1],
    ],
    -1,
  ],
  [
    [
      [2, 3, 5],
      [2, 1, 5],
    ],
    1,
  ],
  [[...Array.from({ length: 11 }, (_, i) => [2, i + 1])], 1],
  [
    [
      [4, 6, 14, 14],
      [4, 3, 14, 14],
    ],
    1,
  ],
];

checkOp(
  "concat",
  cases.map(([shapes, axis]) => ({
    name: `${shapes.map((s) => `[${s}]`).join(" ")} along ${axis}`,
    inputs: shapes.map((shape) => ({ shape })),
    build: (...xs) => concat(xs, axis),
  })),
);

checkOp("concat of one tensor with itself, stack, split", [
  { name: "twice", inputs: [{ shape: [3, 5] }], build: (x) => concat([x!, mul(x!, 2), x!], 1) },
  ...[0, 1, -1].map((axis) => ({
    name: `stack at ${axis}`,
    inputs: [{ shape: [3, 5] }, { shape: [3, 5] }],
    build: (...xs: ReturnType<typeof input>[]) => stack(xs, axis),
  })),
  { name: "split in threes", inputs: [{ shape: [2, 7] }], build: (x) => split(x!, 3, 1) },
  { name: "split by sizes", inputs: [{ shape: [7, 2] }], build: (x) => split(x!, [1, 4, 2]) },
]);

it("joins whole numbers", async () => {
  const gpu = await gpuBackend();
  const y = concat([constant(Int32Array.of(1, -2), [2, 1]), constant(Int32Array.of(3, 4, 5, 6), [2, 2])], 1);
  const program = await gpu.compile({ outputs: [y] });
  program.run();
  expect([...(await program.read(y))]).toEqual([1, 3, 4, -2, 5, 6]);
});

it("refuses what does not fit", () => {
  const x = input([2, 3]);
  expect(concat([x])).toBe(x);
  expect(() => concat([])).toThrow(/concat: needs at least one tensor/);
  expect(() => concat([x, input([2, 4])])).toThrow(/concat: inputs must be alike in all but axis 0, got/);
  expect(() => concat([x, input([2, 3], "i32")])).toThrow(/concat: inputs must be alike/);
  expect(() => concat([x, input([3])], 2)).toThrow(/concat: axis 2 does not exist/);
  expect(() => split(x, [1, 1], 1)).toThrow(/split: sizes add up to 2, the axis has 3/);
  expect(() => split(x, 0)).toThrow(/split: size must be a whole number of at least 1, got 0/);
});
