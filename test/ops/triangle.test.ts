/** tril and triu: diagonals on either side, matrices that are not square, what is cut off does not matter. */
import { expect, it } from "vitest";
import { input } from "../../src/graph/tensor.ts";
import { tril, triu } from "../../src/ops/shape/triangle.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

for (const [title, op] of [
  ["tril", tril],
  ["triu", triu],
] as const) {
  checkOp(
    title,
    [-9, -1, 0, 2, 9].flatMap((diagonal) =>
      [
        [1, 1],
        [3, 5],
        [2, 3, 7, 4],
      ].map((shape) => ({
        name: `[${shape}] from ${diagonal}`,
        inputs: [{ shape }],
        build: (x) => op(x!, diagonal),
      })),
    ),
  );
}

it("does not let through what it cuts off", async () => {
  const gpu = await gpuBackend();
  const x = input([2, 2]);
  const y = tril(x);
  const program = await gpu.compile({ outputs: [y] });
  gpu.write(x, Float32Array.of(1, Number.NaN, 3, 4));
  program.run();
  expect([...(await program.read(y))]).toEqual([1, 0, 3, 4]);
});

it("refuses vectors and broken diagonals", () => {
  expect(() => tril(input([3]))).toThrow(/tril: needs a tensor of rank 2 or more, got f32\[3\]/);
  expect(() => triu(input([3, 3]), 0.5)).toThrow(/triu: diagonal must be a whole number/);
});
