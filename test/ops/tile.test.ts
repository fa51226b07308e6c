/** tile: more and fewer counts than axes, gradient, refusals. */
import { expect, it } from "vitest";
import { input } from "../../src/graph/tensor.ts";
import { repeat, tile } from "../../src/ops/shape/tile.ts";
import { checkOp } from "../support/check-op.ts";

checkOp(
  "tile",
  (
    [
      [[1], [3]],
      [[7], [2]],
      [[3, 5], [2]],
      [
        [3, 5],
        [2, 1],
      ],
      [
        [3, 65],
        [2, 3],
      ],
      [[5], [2, 3]],
      [
        [2, 3, 5],
        [2, 1, 3],
      ],
    ] as const
  ).map(([shape, times]) => ({
    name: `[${shape}] by [${times}]`,
    inputs: [{ shape }],
    build: (x) => tile(x!, times),
  })),
);

it("has the shape of all copies together", () => {
  expect(tile(input([3, 5]), [2]).shape).toEqual([3, 10]);
  expect(repeat(input([5]), [2, 3]).shape).toEqual([2, 15]);
  expect(() => tile(input([5]), [0])).toThrow(/tile: times must be a whole number of at least 1, got 0/);
});
