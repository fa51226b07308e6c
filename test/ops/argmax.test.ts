/** argmax, argmin: any axis, short and long lines, ties, NaN, infinities, refusals. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { type Shape, sizeOf } from "../../src/graph/spec.ts";
import { constant, input } from "../../src/graph/tensor.ts";
import { Random } from "../../src/numbers/random.ts";
import { argmax, argmin } from "../../src/ops/reduce/argmax.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

const shapes: readonly (readonly [Shape, number])[] = [
  [[1], 0],
  [[7], -1],
  [[64, 10], 1],
  [[64, 10], 0],
  [[65, 3], -1],
  [[2, 3, 5], 0],
  [[2, 3, 5], 1],
  [[2, 3, 5], 2],
  [[3, 17, 65], 1],
  [[257, 15], 1],
  [[257, 16], 1],
  [[257, 17], 1],
  [[3, 10000], 1],
  [[2, 5000, 3], 1],
];

const variants = [{ argmax: "rows" }, { argmax: "shared" }];

checkOp(
  "argmax",
  shapes.flatMap(([shape, axis]) => {
    const random = new Random(8, sizeOf(shape));
    const data = Array.from({ length: sizeOf(shape) }, () => Math.floor(random.uniform() * 5));
    return [
      { name: `[${shape}] along ${axis}`, inputs: [{ shape }], build: (x) => argmax(x!, axis) },
      {
        name: `[${shape}] along ${axis}, many ties`,
        inputs: [{ shape, data }],
        build: (x) => argmax(x!, axis),
      },
      {
        name: `[${shape}] along ${axis}, the smallest`,
        inputs: [{ shape, data }],
        build: (x) => argmin(x!, axis),
      },
    ];
  }),
  { variants, gradients: false },
);

const backends = [
  ["cpu", async (): Promise<Backend> => new CpuBackend(), undefined],
  ["webgpu rows", gpuBackend, "rows"],
  ["webgpu shared", gpuBackend, "shared"],
] as const;

describe.each(backends)("argmax on %s", (_, open, variant) => {
  const [nan, inf] = [Number.NaN, Number.POSITIVE_INFINITY];
  const long = (at: readonly number[], value: number) =>
    Array.from({ length: 1500 }, (_, i) => (at.includes(i) ? value : -1 - (i % 7)));
  it.each([
    ["all equal", [2, 2, 2], 0],
    ["0 and -0 equal", [-0, 0, -0], 0],
    ["nothing but -Infinity", [-inf, -inf], 0],
    ["Infinity", [1, inf, inf], 1],
    ["NaN above Infinity", [inf, 3, nan, 5], 2],
    ["the first NaN", [1, nan, inf, nan], 1],
    ["NaN in front", [nan, 7, 8], 0],
    ["the last of many", long([1499], 0), 1499],
    ["the first of several far apart", long([77, 78, 1200], 0), 77],
    ["the first of several, in another lane's later round", long([90, 1001], 0), 90],
    ["the first NaN of many", long([640, 1300], nan), 640],
  ])("finds %s", async (_, values, expected) => {
    const backend = await open();
    const x = input([values.length]);
    const y = argmax(x);
    const program = await backend.compile(
      { outputs: [y] },
      { variants: variant === undefined ? {} : { argmax: variant } },
    );
    backend.write(x, Float32Array.from(values));
    program.run();
    expect([...(await program.read(y))]).toEqual([expected]);
  });
});

it("gives whole numbers, without the axis", () => {
  const y = argmax(input([2, 3, 5]), 1);
  expect([y.dtype, y.shape]).toEqual(["i32", [2, 5]]);
  expect(argmax(input([3])).shape).toEqual([]);
});

it("argmin: the first of equals, NaN before all", async () => {
  const backend = await gpuBackend();
  const x = input([3, 4]);
  const y = argmin(x, 1);
  const program = await backend.compile({ outputs: [y] });
  backend.write(x, Float32Array.from([3, 1, 1, 2, 5, Number.NaN, -9, Number.NaN, 4, 4, 4, 4]));
  program.run();
  expect([...(await program.read(y))]).toEqual([1, 1, 0]);
  expect(() => argmin(x, 2)).toThrow(/argmin: axis 2 does not exist/);
});

it("refuses axes that do not exist, whole numbers, and gradients", () => {
  const x = input([3]);
  expect(() => argmax(x, 1)).toThrow(/argmax: axis 1 does not exist in a tensor of rank 1/);
  expect(() => argmax(constant(new Int32Array(3)))).toThrow(/argmax: input must be f32, got i32\[3\]/);
  expect(() => gradients(argmax(x), [x])).toThrow(/argmax \(argmax\) has no gradient/);
});
