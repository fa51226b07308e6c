/** permute and transpose: every order of small ranks, merged axes, sizes around a workgroup, integers. */
import { expect, it } from "vitest";
import type { Shape } from "../../src/graph/spec.ts";
import { input } from "../../src/graph/tensor.ts";
import { permute, transpose } from "../../src/ops/shape/transpose.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

const cases: readonly (readonly [Shape, readonly number[]])[] = [
  [
    [1, 1],
    [1, 0],
  ],
  [
    [3, 5],
    [1, 0],
  ],
  [
    [1, 5],
    [1, 0],
  ],
  [
    [17, 15],
    [-1, -2],
  ],
  [
    [255, 1],
    [1, 0],
  ],
  [
    [257, 7],
    [1, 0],
  ],
  [
    [2, 3, 5],
    [0, 2, 1],
  ],
  [
    [2, 3, 5],
    [1, 0, 2],
  ],
  [
    [2, 3, 5],
    [1, 2, 0],
  ],
  [
    [2, 3, 5],
    [2, 0, 1],
  ],
  [
    [2, 3, 5],
    [2, 1, 0],
  ],
  [
    [2, 3, 4, 5],
    [0, 2, 3, 1],
  ],
  [
    [2, 3, 4, 5],
    [3, 1, 0, 2],
  ],
  [
    [2, 1, 4, 1, 5],
    [4, 1, 2, 3, 0],
  ],
  [
    [2, 3, 2, 3, 2, 3],
    [5, 4, 3, 2, 1, 0],
  ],
  [
    [2, 3, 2, 3, 2, 3, 2, 2],
    [6, 7, 4, 5, 2, 3, 0, 1],
  ],
  [[7], [0]],
  [[], []],
];

checkOp(
  "permute",
  cases.map(([shape, axes]) => ({
    name: `[${shape}] to order [${axes}]`,
    inputs: [{ shape }],
    build: (x) => permute(x!, axes),
  })),
);

checkOp(
  "transpose",
  [
    { name: "axes 0 and 2", inputs: [{ shape: [3, 4, 5] }], build: (x) => transpose(x!, 0, 2) },
    { name: "the last two", inputs: [{ shape: [3, 4, 5] }], build: (x) => transpose(x!, -2, -1) },
    { name: "an axis with itself", inputs: [{ shape: [3, 4, 5] }], build: (x) => transpose(x!, 1, -2) },
    {
      name: "whole numbers",
      inputs: [{ shape: [2, 3], dtype: "i32", data: [1, -2, 3, -4, 5, 2147483647] }],
      build: (x) => transpose(x!, 0, 1),
    },
    {
      name: "words",
      inputs: [{ shape: [2, 3], dtype: "u32", data: [1, 2, 3, 4, 5, 4294967295] }],
      build: (x) => transpose(x!, 0, 1),
    },
  ],
  { gradients: false },
);

it("moves nothing where only axes of 1 change places", async () => {
  const y = permute(input([1, 5, 1, 3]), [1, 2, 3, 0]);
  expect(y.shape).toEqual([5, 1, 3, 1]);
  expect((await (await gpuBackend()).compile({ outputs: [y] })).describe().dispatches).toBe(0);
});

it("refuses axes that are missing, doubled or not there", () => {
  const x = input([2, 3, 5]);
  expect(() => permute(x, [0, 1])).toThrow(
    /permute: axes must name each of the 3 axes of \[2, 3, 5\] once, got \[0, 1\]/,
  );
  expect(() => permute(x, [0, 1, 1])).toThrow(/once, got \[0, 1, 1\]/);
  expect(() => permute(x, [0, 1, 3])).toThrow(/once, got \[0, 1, 3\]/);
  expect(() => transpose(x, 0, 3)).toThrow(/transpose: axis 3 does not exist in \[2, 3, 5\]/);
  expect(() => permute(input([2, 2, 2, 2, 2, 2, 2]), [6, 5, 4, 3, 2, 1, 0])).toThrow(/more than six groups/);
});
