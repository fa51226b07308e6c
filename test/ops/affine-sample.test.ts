/** affineSample: kernels against the CPU body, exact places, known pictures, what it refuses. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { constant, parameter, type Tensor } from "../../src/graph/tensor.ts";
import { affineSample } from "../../src/ops/index/affine-sample.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";

const shapes = [
  [1, 1, 1, 1],
  [2, 1, 5, 7],
  [3, 3, 8, 9],
  [65, 1, 4, 4],
] as const;
const ONE = 65536;

const sampled = (fixed: boolean, options: Parameters<typeof affineSample>[2], name: string): OpCase[] =>
  shapes.map((shape) => ({
    name: `[${shape}] ${name}`,
    inputs: [
      { shape },
      {
        shape: [shape[0], 2, 3],
        dtype: fixed ? "i32" : "f32",
        // Turned, stretched and moved, each sample by other numbers.
        data: Array.from({ length: shape[0] }, (_, n) => [0.8, -0.4, 1.3 - n, 0.3, 1.1, n / 3 - 0.7]).flatMap(
          (row) => (fixed ? row.map((v) => Math.round(v * ONE)) : row),
        ),
      },
    ],
    build: (x, theta) => affineSample(x!, theta!, options),
  }));

checkOp(
  "affineSample between pixels",
  [
    ...sampled(true, {}, "fixed point"),
    ...sampled(false, {}, "floats"),
    ...sampled(true, { size: [3, 11], fill: -2 }, "another size, filled"),
  ],
  { gradients: false },
);
checkOp("affineSample of the nearest pixel", sampled(true, { interpolation: "nearest", fill: 0.5 }, ""), {
  gradients: false,
  atol: 0,
  rtol: 0,
});

async function run(y: Tensor): Promise<number[][]> {
  const values = await Promise.all(
    [new CpuBackend(), await gpuBackend()].map(async (backend) => {
      const program = await backend.compile({ outputs: [y] });
      program.run();
      return Array.from(await program.read(y));
    }),
  );
  expect(values[1]).toEqual(values[0]);
  const width = y.shape[3] as number;
  return Array.from({ length: y.size / width }, (_, r) =>
    (values[0] as number[]).slice(r * width, (r + 1) * width),
  );
}

describe("known pictures", () => {
  const x = constant(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), [1, 1, 3, 3]);
  const theta = (...values: number[]) => constant(Float32Array.from(values), [1, 2, 3]);

  it("nothing moves under the identity", async () => {
    expect(await run(affineSample(x, theta(1, 0, 0, 0, 1, 0)))).toEqual([
      [1, 2, 3],
      [4, 5, 6],
      [7, 8, 9],
    ]);
  });
  it("a quarter turn, a mirror image, a shift with what comes in", async () => {
    expect(await run(affineSample(x, theta(0, 1, 0, -1, 0, 0)))).toEqual([
      [7, 4, 1],
      [8, 5, 2],
      [9, 6, 3],
    ]);
    expect(await run(affineSample(x, theta(-1, 0, 0, 0, 1, 0)))).toEqual([
      [3, 2, 1],
      [6, 5, 4],
      [9, 8, 7],
    ]);
    expect(await run(affineSample(x, theta(1, 0, 1, 0, 1, -1), { fill: -1 }))).toEqual([
      [-1, -1, -1],
      [2, 3, -1],
      [5, 6, -1],
    ]);
  });
  it("half a pixel is the mean of two, at the edge with what lies outside", async () => {
    expect(await run(affineSample(x, theta(1, 0, 0.5, 0, 1, 0), { fill: 1 }))).toEqual([
      [1.5, 2.5, 2],
      [4.5, 5.5, 3.5],
      [7.5, 8.5, 5],
    ]);
  });
  it("another size lies about the same centre", async () => {
    expect(await run(affineSample(x, theta(1, 0, 0, 0, 1, 0), { size: [1, 1] }))).toEqual([[5]]);
    expect(await run(affineSample(x, theta(1, 0, 0, 0, 1, 0), { size: [1, 5] }))).toEqual([[0, 4, 5, 6, 0]]);
    expect(await run(affineSample(x, theta(1, 0, 0, 0, 1, 0), { size: [2, 2] }))).toEqual([
      [3, 4],
      [6, 7],
    ]);
  });
});

describe("refuses", () => {
  const x = parameter([2, 1, 4, 4]);
  const theta = constant(new Int32Array(12), [2, 2, 3]);
  it("maps that are not one per sample", () => {
    expect(() => affineSample(x, constant(new Int32Array(6), [1, 2, 3]))).toThrow(
      /affineSample: theta must be \[2, 2, 3\]/,
    );
  });
  it("images too large for the places to be exact", () => {
    expect(() => affineSample(x, theta, { size: [4, 2049] })).toThrow(/at most 2048 pixels/);
  });
  it("another interpolation, a fill that is no number", () => {
    expect(() => affineSample(x, theta, { interpolation: "cubic" as "nearest" })).toThrow(/got cubic/);
    expect(() => affineSample(x, theta, { fill: Number.NaN })).toThrow(/fill must be finite, got NaN/);
  });
  it("a gradient: it is for data", () => {
    expect(() => gradients(sum(affineSample(x, theta)), [x])).toThrow(/affineSample .* has no gradient/);
  });
});
