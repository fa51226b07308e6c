/**
 * sort, argsort, topK: PyTorch's numbers, rows longer and shorter than a block and a run, ties, NaN, integers, gradients, 65,536 and
 * more elements, refusals.
 */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { type DType, type Shape, sizeOf } from "../../src/graph/spec.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import { Random } from "../../src/numbers/random.ts";
import { add, mul } from "../../src/ops/elementwise/arithmetic.ts";
import { cast } from "../../src/ops/elementwise/cast.ts";
import { embedding } from "../../src/ops/index/gather.ts";
import { argsort, sort, topK } from "../../src/ops/reduce/sort.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";
import { checkTorch } from "../support/golden.ts";

const [nan, inf] = [Number.NaN, Number.POSITIVE_INFINITY];
type Options = { axis: number; descending: boolean; k: number; largest: boolean; paddingIdx: number };
const of = (golden: { readonly attrs: object }) => golden.attrs as Options;
/** The order as f32 with a gradient of 0, since goldens have gradients. */
const asFloats = (order: Tensor, x: Tensor) => add(cast(order, "f32"), mul(x, 0));

checkTorch("sort", {
  sort: ({ x }, golden) => sort(x!, of(golden)).values,
  argsort: ({ x }, golden) => asFloats(argsort(x!, of(golden)), x!),
  topK: ({ x }, golden) =>
    topK(x!, of(golden).k, { axis: of(golden).axis, largest: of(golden).largest }).values,
  nanOrder: ({ x }, golden) =>
    asFloats(argsort(constant(Float32Array.of(1, nan, -1, inf, nan, -inf)), of(golden)), x!),
  embedding: ({ indices, weight }, golden) =>
    embedding(indices!, weight!, { paddingIdx: of(golden).paddingIdx }),
});

const shapes: readonly (readonly [Shape, number])[] = [
  [[1], 0],
  [[7], -1],
  [[127], 0],
  [[128], 0],
  [[129], 0],
  [[3, 257], 1],
  [[257, 3], 0],
  [[2, 5, 3], 1],
  [[2, 385, 3], 1],
  [[2, 2000], 1],
];

for (const dtype of ["f32", "i32", "u32"] as const) {
  checkOp(
    `sort of ${dtype}`,
    shapes.flatMap(([shape, axis]) => {
      const random = new Random(5, sizeOf(shape));
      const low = dtype === "u32" ? 0 : -20;
      // Few different numbers, so that there are many ties.
      const ties = Array.from({ length: sizeOf(shape) }, () => low + Math.floor(random.uniform() * 41));
      const wide = Array.from({ length: sizeOf(shape) }, () => {
        const v = Math.floor(random.uniform() * 2 ** 32) - (dtype === "u32" ? 0 : 2 ** 31);
        return dtype === "f32" ? v / 2 ** 20 : v;
      });
      return [
        {
          name: `[${shape}] along ${axis}, ties`,
          inputs: [{ shape, dtype, data: ties }],
          build: (x: Tensor) => {
            const { values, indices } = sort(x, { axis });
            return [values, indices, argsort(x, { axis, descending: true })];
          },
        },
        {
          name: `[${shape}] along ${axis}, the first few`,
          inputs: [{ shape, dtype, data: wide }],
          build: (x: Tensor) => {
            const k = Math.min(5, shape.at(axis)!);
            const [most, least] = [topK(x, k, { axis }), topK(x, k, { axis, largest: false })];
            return [most.values, most.indices, least.values, least.indices];
          },
        },
      ];
    }),
    // Differences would jump where elements are equal; PyTorch's gradients are compared above.
    { numeric: false, gradients: dtype === "f32" },
  );
}

checkOp("gradients by differences", [
  { name: "sort", inputs: [{ shape: [3, 11] }], build: (x) => sort(x!, { axis: 0 }).values },
  { name: "topK", inputs: [{ shape: [3, 11] }], build: (x) => topK(x!, 4).values },
  {
    name: "twice",
    inputs: [{ shape: [9] }],
    build: (x) => {
      const { values } = topK(x!, 4);
      return gradients(sum(mul(mul(values, values), values)), [x!])[0]!;
    },
  },
]);

describe.each([
  ["CPU reference", async () => new CpuBackend()],
  ["GPU", gpuBackend],
] as const)("on the %s", (_, open) => {
  const run = async (outputs: Tensor[]) => {
    using program = await (await open()).compile({ outputs });
    program.run();
    return Promise.all(outputs.map(async (t) => [...(await program.read(t))]));
  };

  it("NaN is the largest, -0 equals 0, and equals keep their order", async () => {
    const x = constant(Float32Array.of(nan, 0, -0, inf, -inf, -nan, 1e-40, -1e-40));
    expect(await run([argsort(x), argsort(x, { descending: true }), topK(x, 3).indices])).toEqual([
      [4, 7, 1, 2, 6, 3, 0, 5],
      [0, 5, 3, 6, 1, 2, 7, 4],
      [0, 5, 3],
    ]);
  });

  it.each([65_536, 100_003])("%i elements", async (size) => {
    const random = new Random(3, size);
    const data = Float32Array.from({ length: size }, () => Math.fround(random.uniform() * 1000) | 0);
    const expected = [...data.keys()].sort((a, b) => data[a]! - data[b]! || a - b);
    const x = constant(data);
    const { values, indices } = sort(x);
    const [sorted, order, dx] = await run([
      values,
      indices,
      gradients(sum(mul(values, constant(Float32Array.from(data.keys())))), [x])[0]!,
    ]);
    expect(order).toEqual(expected);
    expect(sorted).toEqual(expected.map((i) => data[i]));
    // The gradient of each element is the place that it was sorted to.
    expect(expected.map((i) => dx![i])).toEqual([...data.keys()]);
  });
});

it("gives i32 indices, and refuses axes and counts that do not exist", () => {
  const x = input([2, 3]);
  const found = topK(x, 2);
  expect([found.values.shape, found.indices.shape, found.indices.dtype]).toEqual([[2, 2], [2, 2], "i32"]);
  expect(sort(input([3], "u32")).values.dtype).toBe("u32" satisfies DType);
  expect(() => topK(x, 4)).toThrow(/topK: k must be a whole number from 1 to 3, not 4, got f32\[2, 3\]/);
  expect(() => topK(x, 1.5)).toThrow(/topK: k must be/);
  expect(() => sort(x, { axis: 2 })).toThrow(/sort: axis 2 does not exist/);
  expect(() => argsort(x, { dim: 1 } as never)).toThrow(
    /argsort: there is no option "dim"; did you mean axis\?/,
  );
  expect(() => sort([1] as never)).toThrow(/sort: x must be a tensor/);
  expect(() => embedding(input([2], "i32"), x, { paddingIdx: 2 })).toThrow(
    /embedding: paddingIdx must be one of the 2 rows, got 2/,
  );
});
