/** gather, scatterAdd, take, embedding, oneHot: every axis, repeated and missing indices, the same bits, refusals. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { type Shape, sizeOf } from "../../src/graph/spec.ts";
import { constant, input } from "../../src/graph/tensor.ts";
import { Random } from "../../src/numbers/random.ts";
import { mul, square } from "../../src/ops/elementwise/arithmetic.ts";
import { cast } from "../../src/ops/elementwise/cast.ts";
import { ne } from "../../src/ops/elementwise/compare.ts";
import { embedding, gather, oneHot, scatterAdd, take } from "../../src/ops/index/gather.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { expandDims } from "../../src/ops/shape/reshape.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

const variants = [{ scatter: "rows" }, { scatter: "lists" }, {}];

function indices(shape: Shape, below: number): { shape: Shape; dtype: "i32"; data: number[] } {
  const random = new Random(6, sizeOf(shape));
  const data = Array.from({ length: sizeOf(shape) }, () => Math.floor(random.uniform() * below));
  return { shape, dtype: "i32", data };
}

const along: readonly (readonly [Shape, Shape, number])[] = [
  [[1], [1], 0],
  [[7], [13], 0],
  [[3, 65], [3, 7], 1],
  [[5, 3], [64, 3], 0],
  [[2, 3, 5], [2, 7, 5], 1],
  [[4, 3, 5], [2, 7, 1], 1],
  [[2, 2, 65], [2, 2, 129], -1],
];

checkOp(
  "gather",
  along.map(([shape, of, axis]) => ({
    name: `[${of}] of [${shape}] along ${axis}`,
    inputs: [{ shape }, indices(of, shape.at(axis)!)],
    build: (x, index) => gather(x!, index!, axis),
  })),
  { variants },
);

checkOp(
  "scatterAdd",
  along
    .filter(([shape, of]) => shape.length === of.length && sizeOf(of) > 7)
    .map(([shape, of, axis]) => {
      const at = axis < 0 ? axis + shape.length : axis;
      const target = of.map((d, i) => (i === at ? shape[i]! : d));
      return {
        name: `[${of}] to [${target}] along ${axis}`,
        inputs: [{ shape: target }, indices(of, shape[at]!), { shape: of }],
        build: (x, index, values) => scatterAdd(x!, index!, values!, axis),
      };
    }),
  { variants },
);

checkOp(
  "take and embedding",
  [
    {
      name: "[5, 3] of [4, 6, 2] along 1",
      inputs: [{ shape: [4, 6, 2] }, indices([5, 3], 6)],
      build: (x, index) => take(x!, index!, 1),
    },
    {
      name: "one row",
      inputs: [indices([], 7), { shape: [7, 5] }],
      build: (index, w) => embedding(index!, w!),
    },
    {
      name: "tokens of a batch",
      inputs: [indices([4, 33], 50), { shape: [50, 17] }],
      build: (index, w) => embedding(index!, w!),
    },
    {
      name: "one token all over",
      inputs: [indices([300], 1), { shape: [3, 64] }],
      build: (index, w) => embedding(index!, w!),
    },
  ],
  // Sums of up to 300 terms of either sign.
  { variants, atol: 1e-5 },
);

checkOp("differentiated twice", [
  {
    name: "embedding",
    inputs: [indices([6], 3), { shape: [3, 2] }],
    build: (index, w) => gradients(sum(square(embedding(index!, w!))), [w!])[0]!,
  },
]);

checkOp(
  "oneHot",
  [
    { name: "[67] of 10", inputs: [indices([67], 10)], build: (labels) => oneHot(labels!, 10) },
    { name: "[3, 5] of 1", inputs: [indices([3, 5], 1)], build: (labels) => oneHot(labels!, 1) },
    {
      name: "no class",
      inputs: [{ shape: [3], dtype: "i32", data: [-1, 1, 5] }],
      build: (labels) => oneHot(labels!, 5),
    },
  ],
  { variants, gradients: false },
);

checkOp(
  "negative indices count from the end",
  [
    {
      name: "rows",
      inputs: [{ shape: [5, 3] }, { shape: [2, 4], dtype: "i32", data: [-1, 4, -5, 0, 2, -3, 1, -1] }],
      build: (x, index) => take(x!, index!),
    },
    {
      name: "columns of integers",
      inputs: [
        { shape: [3, 65], dtype: "u32", data: Array.from({ length: 195 }, (_, i) => 2 ** 32 - 1 - i) },
        { shape: [70], dtype: "i32", data: Array.from({ length: 70 }, (_, i) => ((i * 29) % 130) - 65) },
      ],
      build: (x, index) => [take(x!, index!, 1), gather(x!, cast(take(x!, index!, 1), "i32"), 1)],
    },
  ],
  { variants, gradients: false },
);

checkOp(
  "negative indices, with gradients",
  [
    {
      name: "rows",
      inputs: [{ shape: [5, 3] }, { shape: [2, 4], dtype: "i32", data: [-1, 4, -5, 0, 2, -3, 1, -1] }],
      build: (x, index) => take(x!, index!),
    },
    {
      name: "embedding with padding",
      inputs: [{ shape: [9], dtype: "i32", data: [3, 0, 3, 1, 2, 0, 3, 3, 1] }, { shape: [4, 5] }],
      // The padding's row is as it is, but has no gradient, so differences are taken of the other rows only.
      build: (index, w) =>
        mul(embedding(index!, w!, { paddingIdx: -1 }), cast(ne(expandDims(index!, 1), 3), "f32")),
    },
  ],
  { variants },
);

it("take picks the elements that NumPy picks", async () => {
  const gpu = await gpuBackend();
  const outputs = [
    take(constant([10, 11, 12, 13]), constant(Int32Array.of(-1, 0, -4, 2, 4, -5))),
    take(constant(Int32Array.of(10, 11, 12)), constant(Int32Array.of(-1, 3))),
    take(constant(Uint32Array.of(10, 11, 12)), constant(Int32Array.of(-3, -4))),
  ];
  const program = await gpu.compile({ outputs });
  program.run();
  expect(await Promise.all(outputs.map(async (t) => [...(await program.read(t))]))).toEqual([
    [13, 10, 10, 12, Number.NaN, Number.NaN],
    [12, -(2 ** 31)],
    [10, 2 ** 32 - 1],
  ]);
});

checkOp(
  "indices that do not exist",
  [
    {
      name: "gather NaN, add nothing",
      inputs: [{ shape: [3, 2] }, { shape: [5], dtype: "i32", data: [2, -4, 3, 0, -(2 ** 31)] }],
      build: (x, index) => take(x!, index!),
    },
    {
      name: "negative ones too, but in take",
      inputs: [{ shape: [3, 2] }, { shape: [4], dtype: "i32", data: [2, -1, 3, 0] }],
      build: (x, index) => embedding(index!, x!),
    },
  ],
  { variants, numeric: false },
);

describe.each(["rows", "lists"])("sums by %s", (scatter) => {
  it("give the same bits every time", async () => {
    const gpu = await gpuBackend();
    const random = new Random(9);
    const [w, index, dy] = [input([20, 33]), input([500], "i32"), input([500, 33])];
    const [dw] = gradients(embedding(index, w), [w], dy);
    const program = await gpu.compile({ outputs: [dw!] }, { variants: { scatter } });
    gpu.write(
      index,
      Int32Array.from({ length: 500 }, () => Math.floor(20 * random.uniform())),
    );
    gpu.write(
      dy,
      Float32Array.from({ length: dy.size }, () => random.uniform()),
    );
    program.run();
    const first = await program.read(dw!);
    program.run(5);
    expect(await program.read(dw!)).toEqual(first);
  });
});

it("refuses shapes and dtypes that do not fit", () => {
  const [x, index] = [input([2, 3]), input([2, 4], "i32")];
  expect(() => gather(x, input([3, 4], "i32"), 1)).toThrow(
    /gather: index must be no larger than x beside axis 1/,
  );
  expect(() => gather(x, input([2, 4]), 1)).toThrow(/gather: index must be i32 of rank 2, got f32\[2, 4\]/);
  expect(() => scatterAdd(x, index, input([2, 5]), 1)).toThrow(
    /scatterAdd: there must be an index for every value/,
  );
  expect(() => scatterAdd(x, index, input([3, 4]), 1)).toThrow(
    /scatterAdd: values must be as x beside axis 1/,
  );
  expect(() => embedding(index, input([3]))).toThrow(/embedding: weight must be f32 of rank 2, got f32\[3\]/);
  expect(() => oneHot(index, 0)).toThrow(/oneHot: classes must be a whole number of at least 1, got 0/);
  expect(() => oneHot(x, 3)).toThrow(/oneHot: labels must be i32 of rank 2, got f32\[2, 3\]/);
});
