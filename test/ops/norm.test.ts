/** norm: short and long vectors, lengths that are no multiple of four, gradient. */
import { expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { constant, input } from "../../src/graph/tensor.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import { norm } from "../../src/ops/reduce/norm.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

checkOp(
  "norm",
  [[], [1], [3], [4], [5], [63], [64], [65], [255, 1], [7, 11, 13], [2, 64, 33], [61_888], [1_000_003]].map(
    (shape) => ({ name: `[${shape}]`, inputs: [{ shape }], build: (x) => norm(x!) }),
  ),
);

it("does not count what lies behind the last element", async () => {
  const gpu = await gpuBackend();
  const x = constant(Float32Array.of(3, 4, 0, 0, 0));
  // A view of five values in storage of eight; the product's spare elements must not matter either.
  const y = norm(mul(x, 1));
  const program = await gpu.compile({ outputs: [y] });
  program.run();
  expect(Array.from(await program.read(y))).toEqual([5]);
});

it("shows NaN and infinities, and a gradient of 0 at 0", async () => {
  const gpu = await gpuBackend();
  const x = input([5]);
  const y = norm(x);
  const [dx] = gradients(y, [x]);
  const program = await gpu.compile({ outputs: [y, dx!] });
  const at = async (...values: number[]) => {
    gpu.write(x, Float32Array.from(values));
    program.run();
    return [(await program.read(y))[0], (await program.read(dx!))[0]];
  };
  expect((await at(1, 2, Number.NaN, 4, 5))[0]).toBeNaN();
  expect((await at(1, 2, 3, 4, Number.POSITIVE_INFINITY))[0]).toBe(Number.POSITIVE_INFINITY);
  expect(await at(0, 0, 0, 0, 0)).toEqual([0, 0]);
});

checkOp(
  "norm over axes",
  ([1, 2, Number.POSITIVE_INFINITY] as const).flatMap((p) => [
    { name: `p = ${p}, all`, inputs: [{ shape: [3, 5] }], build: (x) => norm(x!, { p }) },
    { name: `p = ${p}, rows`, inputs: [{ shape: [7, 65] }], build: (x) => norm(x!, { p, axes: 1 }) },
    {
      name: `p = ${p}, channels`,
      inputs: [{ shape: [2, 3, 4, 5] }],
      build: (x) => norm(x!, { p, axes: [1, -1], keepDims: true }),
    },
  ]),
);

checkOp(
  "norm of zeros",
  [
    {
      name: "rows",
      inputs: [{ shape: [2, 3], data: [0, 0, 0, 3, 4, 0] }],
      build: (x) => norm(x!, { axes: 1 }),
    },
  ],
  { numeric: false },
);

it("refuses other powers", () => {
  expect(() => norm(input([3]), { p: 3 })).toThrow(/norm: p must be 1, 2 or Infinity, got 3/);
});

it("refuses integers", () => {
  expect(() => norm(input([3], "i32"))).toThrow(/norm: x must be f32 of rank 1, got i32\[3\]/);
});
