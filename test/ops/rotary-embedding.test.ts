/** rotaryEmbedding: PyTorch's values are in test/nn/gpt-values.test.ts; here kernels against the CPU body, positions and refusals. */
import { describe, expect, it } from "vitest";
import { constant, input } from "../../src/graph/tensor.ts";
import { type RotaryOptions, rotaryEmbedding } from "../../src/ops/attention/rotary-embedding.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

checkOp(
  "rotaryEmbedding",
  [
    { shape: [1, 1, 2], heads: 1, headSize: 2 },
    { shape: [2, 5, 13], heads: 3, headSize: 4 },
    { shape: [3, 17, 64], heads: 2, headSize: 22 },
    { shape: [1, 130, 33], heads: 1, headSize: 32, base: 500 },
  ].map(({ shape, ...options }) => ({
    name: `[${shape}], ${options.heads} heads of ${options.headSize}`,
    inputs: [{ shape }],
    build: (x) => rotaryEmbedding(x!, options),
  })),
);

checkOp("rotaryEmbedding at given positions", [
  {
    name: "[2, 3, 9]",
    inputs: [{ shape: [2, 3, 9] }, { shape: [2, 3], dtype: "i32", data: [0, 6, 6, 2, 1, 5] }],
    build: (x, positions) =>
      rotaryEmbedding(x!, { heads: 2, headSize: 4, positions: positions!, maxPositions: 7 }),
  },
]);

it("gives NaN at positions that do not exist, and copies other columns", async () => {
  const gpu = await gpuBackend();
  const x = input([1, 3, 3]);
  const positions = constant(Int32Array.of(2, -1, 0), [1, 3]);
  const y = rotaryEmbedding(x, { heads: 1, headSize: 2, positions, maxPositions: 2 });
  const program = await gpu.compile({ outputs: [y] });
  gpu.write(x, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9));
  program.run();
  const nan = Number.NaN;
  expect(Array.from(await program.read(y))).toEqual([nan, nan, 3, nan, nan, 6, 7, 8, 9]);
});

describe("refuses", () => {
  const x = input([2, 3, 8]);
  it.each<[string, Partial<RotaryOptions>, RegExp]>([
    ["odd heads", { headSize: 3 }, /headSize must be even, got 3/],
    ["more heads than columns", { heads: 3 }, /x must have the columns of 3 heads of 4/],
    ["positions without their number", { positions: input([2, 3], "i32") }, /maxPositions/],
    [
      "positions of another shape",
      { positions: input([3], "i32"), maxPositions: 4 },
      /positions must be i32/,
    ],
    ["fewer positions than tokens", { maxPositions: 2 }, /maxPositions must be a whole number of at least 3/],
    ["a base of 0", { base: 0 }, /base must be above 0/],
  ])("%s", (_, options, message) => {
    expect(() => rotaryEmbedding(x, { heads: 2, headSize: 4, ...options })).toThrow(message);
  });
});
