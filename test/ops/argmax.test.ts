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

it("refuses axes and options that do not exist, and gradients", () => {
  const x = input([3]);
  expect(() => argmax(x, 1)).toThrow(/argmax: axis 1 does not exist in a tensor of rank 1/);
  expect(() => argmax(x, 0, { last: true } as never)).toThrow(/argmax: there is no option "last"/);
  expect(() => gradients(argmax(x), [x])).toThrow(/gradients: loss and wrt must be f32, got argmax i32\[\]/);
});

for (const dtype of ["i32", "u32"] as const) {
  checkOp(
    `argmax of ${dtype}`,
    shapes.map(([shape, axis]) => {
      const random = new Random(9, sizeOf(shape));
      const below = dtype === "u32" ? 0 : 2 ** 31;
      const data = Array.from(
        { length: sizeOf(shape) },
        () => Math.floor(random.uniform() * 9) * 2 ** 28 - below,
      );
      return {
        name: `[${shape}] along ${axis}`,
        inputs: [{ shape, dtype, data }],
        build: (x) => [
          argmax(x!, axis),
          argmin(x!, axis),
          argmax(x!, axis, { selectLastIndex: true }),
          argmin(x!, axis, { selectLastIndex: true, keepDims: true }),
        ],
      };
    }),
    { variants, gradients: false },
  );
}

describe.each(backends)("selectLastIndex on %s", (_, open, variant) => {
  it.each([
    ["the last of equals", [1, 3, 3, 2, 3, 0], 4, 5],
    ["0 and -0 are equal", [0, -0, 0], 2, 2],
    ["the last NaN", [Number.NaN, 7, Number.NaN, 9], 2, 2],
    [
      "the last of many far apart",
      Array.from({ length: 1500 }, (_, i) => (i % 700 === 3 ? 5 : i % 2)),
      1403,
      1498,
    ],
  ])("%s", async (_, values, largest, smallest) => {
    const backend = await open();
    const x = constant(values);
    const outputs = [argmax, argmin].map((f) => f(x, 0, { selectLastIndex: true, keepDims: true }));
    const program = await backend.compile(
      { outputs },
      { variants: variant === undefined ? {} : { argmax: variant } },
    );
    program.run();
    expect(outputs[0]!.shape).toEqual([1]);
    expect(await Promise.all(outputs.map(async (t) => (await program.read(t))[0]))).toEqual([
      largest,
      smallest,
    ]);
  });
});
