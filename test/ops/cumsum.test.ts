/** cumsum: any axis, lines shorter and longer than the lanes that share them, gradient, refusals. */
import { expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import type { Shape } from "../../src/graph/spec.ts";
import { constant, input } from "../../src/graph/tensor.ts";
import { square } from "../../src/ops/elementwise/arithmetic.ts";
import { cumsum } from "../../src/ops/reduce/cumsum.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";

const grid: readonly (readonly [Shape, number])[] = [
  [[1], 0],
  [[7], -1],
  [[15], 0],
  [[16], 0],
  [[17], 0],
  [[257], 0],
  [[5, 1], 1],
  [[3, 65], 0],
  [[3, 65], 1],
  [[2, 3, 5], 1],
  [[2, 300, 3], 1],
  [[130, 33], 1],
];

checkOp(
  "cumsum",
  grid.map(([shape, axis]) => ({
    name: `[${shape}] along ${axis}`,
    inputs: [{ shape }],
    build: (x) => cumsum(x!, axis),
  })),
  // Sums of hundreds of terms of either sign, rounded after each.
  { variants: [{ cumsum: "rows" }, { cumsum: "shared" }, {}], atol: 1e-5 },
);

checkOp("cumsum differentiated twice", [
  {
    name: "[5, 3]",
    inputs: [{ shape: [5, 3] }],
    build: (x) => gradients(sum(square(cumsum(x!, 0))), [x!])[0]!,
  },
]);

it.each(["rows", "shared"])("stays right along a line of many equal terms, %s", async (variant) => {
  const size = 100_000;
  const y = cumsum(constant(new Float32Array(size).fill(0.1)), 0);
  const program = await (await gpuBackend()).compile({ outputs: [y] }, { variants: { cumsum: variant } });
  program.run();
  // Added one after another the last would be 1e-3 off.
  const expected = Float64Array.from({ length: size }, (_, i) => (i + 1) * Math.fround(0.1));
  expectClose("cumsum", await program.read(y), expected, [size], { atol: 0, rtol: 1e-5 });
});

it("refuses axes that do not exist, and integers", () => {
  expect(() => cumsum(input([2, 3]), 2)).toThrow(/cumsum: axis 2 does not exist in a tensor of rank 2/);
  expect(() => cumsum(constant(new Int32Array(3)), 0)).toThrow(/cumsum: input must be f32, got i32\[3\]/);
});
