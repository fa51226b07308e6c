/** Chains of pointwise ops become one dispatch and give what the single ops give. */
import { expect, it } from "vitest";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { sigmoid, tanh } from "../../src/ops/elementwise/activation.ts";
import { add, div, mul, square, sub } from "../../src/ops/elementwise/arithmetic.ts";
import { expand, mean, sum } from "../../src/ops/reduce/sum.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

checkOp(
  "pointwise chain",
  [
    { name: "one after another", inputs: [{ shape: [7, 9] }], build: (x) => tanh(add(mul(x!, 3), 1)) },
    {
      name: "a diamond",
      inputs: [{ shape: [65] }],
      build: (x) => {
        const y = sigmoid(x!);
        return add(mul(y, 2), square(y));
      },
    },
    {
      name: "broadcast inputs",
      inputs: [{ shape: [3, 1, 5] }, { shape: [4, 1] }, { shape: [5] }],
      build: (a, b, c) => tanh(mul(add(add(a!, b!), c!), add(a!, b!))),
    },
    {
      name: "more inputs than a kernel binds",
      inputs: Array.from({ length: 11 }, () => ({ shape: [130] })),
      build: (...xs) => xs.reduce((a, b) => add(mul(a, 0.5), b)),
    },
    {
      name: "a small part inside a large one",
      inputs: [{ shape: [4] }, { shape: [6, 4] }],
      build: (a, b) => mul(add(square(a!), 1), b!),
    },
    {
      name: "stretched at the end",
      inputs: [{ shape: [1, 3] }],
      build: (x) => expand(tanh(mul(x!, 2)), [8, 3]),
    },
    ...[8192, 8195, 8206].map((size) => ({
      name: `${size} elements, a run of vectors per invocation on processors`,
      inputs: [{ shape: [size] }, { shape: [] }],
      build: (x: Tensor, by: Tensor) => tanh(add(mul(x, by), 1)),
    })),
    ...[1040, 1044].map((row) => ({
      name: `rows of ${row} that share one input and have another in common`,
      inputs: [{ shape: [2, 5, row] }, { shape: [5, 1] }, { shape: [row] }],
      build: (x: Tensor, ofRow: Tensor, ofColumn: Tensor) => tanh(add(mul(x, ofRow), ofColumn)),
    })),
    {
      name: "mean squared error",
      inputs: [{ shape: [33, 3] }, { shape: [33, 3], gradient: false }],
      build: (x, t) => mean(square(sub(x!, t!))),
    },
  ],
  { fuse: true },
);

async function dispatches(outputs: Tensor[]): Promise<number> {
  return (await (await gpuBackend()).compile({ outputs })).describe().dispatches;
}

it("takes one dispatch for a chain, and keeps what is read elsewhere", async () => {
  const x = input([50]);
  const y = add(x, 1);
  const z = div(tanh(mul(y, 2)), 3);
  expect(await dispatches([z])).toBe(1);
  expect(await dispatches([y, z])).toBe(2);
  // y feeds a sum as well, so it is stored.
  expect(await dispatches([z, sum(y)])).toBe(3);
});
