/** Pooling: every kind of window against the CPU reference, ties, NaN, padding, golden values, refusals. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import type { Pair } from "../../src/geometry/conv.ts";
import type { Shape } from "../../src/graph/spec.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import { add, mul, square } from "../../src/ops/elementwise/arithmetic.ts";
import { relu } from "../../src/ops/elementwise/relu-sigmoid-tanh.ts";
import {
  type AvgPool2dOptions,
  avgPool2d,
  type MaxPool2dOptions,
  maxPool2d,
  maxPool2dWithIndices,
} from "../../src/ops/pool/pool.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { pad } from "../../src/ops/shape/pad.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { checkGoldens } from "../support/golden.ts";

const variants = [
  {},
  { maxPool2d: "windows", maxPool2dBackward: "cells" },
  { maxPool2d: "2x2", maxPool2dBackward: "gather" },
];
const windows: readonly (readonly [Shape, Pair, MaxPool2dOptions])[] = [
  [[1, 1, 1, 1], 1, {}],
  [[1, 1, 2, 2], 2, {}],
  [[2, 3, 8, 8], 2, {}],
  [[1, 1, 5, 5], 2, {}],
  [[3, 2, 7, 9], 3, { stride: 1, padding: 1 }],
  [[2, 2, 7, 7], 3, { stride: 2 }],
  [[2, 2, 7, 7], 3, { stride: 2, padding: 1 }],
  [[2, 2, 7, 8], 3, { stride: 2, ceilMode: true }],
  [[1, 2, 6, 6], 3, { stride: 2, padding: 1, ceilMode: true }],
  [[1, 2, 2, 2], 3, { stride: 2, ceilMode: true }],
  [[1, 3, 11, 13], [2, 5], { stride: [1, 3], padding: [0, 2] }],
  [[2, 1, 13, 9], [3, 2], { stride: [4, 3], padding: 1 }],
  [[1, 2, 10, 10], 2, { stride: 3, dilation: 2 }],
  [[1, 2, 10, 10], 3, { stride: 1, dilation: [2, 3], padding: 1 }],
  [[1, 1, 9, 5], 2, { stride: 5, ceilMode: true }],
  [[1, 1, 1, 67], [1, 3], { stride: [1, 2], padding: [0, 1] }],
  [[3, 2, 5, 6], 2, {}],
  [[3, 2, 6, 5], 2, { ceilMode: true }],
  [[2, 3, 14, 6], 2, { stride: [2, 1] }],
  [[64, 6, 28, 28], 2, {}],
  [[5, 16, 10, 10], 2, {}],
  [[3, 5, 31, 17], 3, { stride: 2, padding: 1 }],
  [[2, 2, 7, 7], 3, { stride: 2, padding: [1, 0, 0, 1] }],
  [[1, 2, 6, 8], [4, 3], { stride: [2, 1], padding: [2, 0, 1, 1], ceilMode: true }],
  [[2, 1, 7, 6], 2, { padding: [0, 1, 1, 0] }],
  [[2, 3, 8, 8], 2, { padding: [0, 0, 1, 1] }],
  [[1, 2, 9, 8], 3, { dilation: [2, 1], padding: [0, 1, 1, 0] }],
  [[1, 2, 9, 7], 3, { stride: 2, padding: "same" }],
  [[2, 1, 8, 10], [2, 3], { stride: [3, 1], padding: "same" }],
];

checkOp(
  "maxPool2d",
  windows.map(([shape, kernel, options]) => ({
    name: `[${shape}] by ${kernel} ${JSON.stringify(options)}`,
    inputs: [{ shape }],
    build: (x) => Object.values(maxPool2dWithIndices(x!, kernel, options)),
  })),
  { variants },
);

const means: readonly (readonly [Shape, Pair, AvgPool2dOptions])[] = [
  [[1, 1, 1, 1], 1, {}],
  [[2, 3, 8, 8], 2, {}],
  [[1, 2, 5, 7], 2, {}],
  [[3, 2, 7, 9], 3, { stride: 1, padding: 1 }],
  [[3, 2, 7, 9], 3, { stride: 1, padding: 1, countIncludePad: false }],
  [[2, 2, 7, 8], 3, { stride: 2, ceilMode: true }],
  [[2, 2, 8, 6], 3, { stride: 2, padding: 1, ceilMode: true }],
  [[2, 2, 8, 6], 3, { stride: 2, padding: 1, ceilMode: true, countIncludePad: false }],
  [[2, 1, 6, 6], 2, { padding: 1, divisorOverride: 3 }],
  [[1, 3, 11, 13], [2, 5], { stride: [1, 3], padding: [0, 2] }],
  [[2, 1, 13, 9], [3, 2], { stride: [4, 3], padding: 1 }],
  [[7, 5, 7, 7], 7, {}],
  [[64, 6, 28, 28], 2, {}],
  [[2, 3, 6, 10], 2, { divisorOverride: 3 }],
  [[3, 2, 7, 9], 3, { stride: 1, padding: [1, 0, 0, 1] }],
  [[3, 2, 7, 9], 3, { stride: 2, padding: [0, 1, 1, 0], countIncludePad: false }],
  [[2, 2, 8, 6], [4, 3], { stride: [3, 2], padding: [0, 1, 2, 0], ceilMode: true }],
  [[2, 3, 8, 8], 2, { padding: [0, 0, 1, 1] }],
  [[1, 2, 9, 7], 3, { stride: 2, padding: "same" }],
  [[1, 2, 9, 7], 3, { stride: 2, padding: "same", countIncludePad: true }],
];
const meanVariants = [
  {},
  { avgPool2d: "2x2", avgPool2dBackward: "2x2" },
  { avgPool2d: "windows", avgPool2dBackward: "gather" },
];

checkOp(
  "avgPool2d",
  [
    ...means.map(([shape, kernel, options]) => ({
      name: `[${shape}] by ${kernel} ${JSON.stringify(options)}`,
      inputs: [{ shape }],
      build: (x?: Tensor) => avgPool2d(x!, kernel, options),
    })),
    {
      name: "the gradient of its square has a gradient of its own",
      inputs: [{ shape: [2, 2, 6, 6] }],
      build: (x) => gradients(sum(square(avgPool2d(x!, 3, { stride: 2, padding: 1 }))), [x!]),
    },
  ],
  { variants: meanVariants },
);

checkOp("maxPool2d in a graph", [
  {
    name: "the gradient of its square has a gradient of its own",
    inputs: [{ shape: [2, 2, 6, 6] }],
    build: (x) => gradients(sum(square(mul(maxPool2d(x!, 3, { stride: 1, padding: 1 }), 2))), [x!]),
  },
  {
    name: "behind relu, where whole windows tie at 0",
    inputs: [{ shape: [2, 3, 8, 8] }],
    build: (x) => maxPool2d(relu(mul(x!, 0.5)), 2),
  },
]);

checkGoldens("pool", {
  max_pool2d: ({ x }, { attrs }) => {
    const { kernel, stride, padding, dilation, ceil_mode } = attrs as {
      kernel: [number, number];
      stride: [number, number];
      padding: [number, number];
      dilation: [number, number];
      ceil_mode: boolean;
    };
    return maxPool2d(x!, kernel, { stride, padding, dilation, ceilMode: ceil_mode });
  },
  avg_pool2d: ({ x }, { attrs }) => {
    const { kernel, stride, padding, ceil_mode, count_include_pad } = attrs as {
      kernel: [number, number];
      stride: [number, number];
      padding: [number, number];
      ceil_mode: boolean;
      count_include_pad: boolean;
    };
    return avgPool2d(x!, kernel, {
      stride,
      padding,
      ceilMode: ceil_mode,
      countIncludePad: count_include_pad,
    });
  },
});

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["cpu", async () => new CpuBackend()],
  ["webgpu", gpuBackend],
];

describe.each(backends)("maxPool2d on %s", (_, open) => {
  const pool = async (values: readonly number[], shape: Shape, kernel: Pair, options?: MaxPool2dOptions) => {
    const backend = await open();
    const x = input(shape);
    const { y, indices } = maxPool2dWithIndices(x, kernel, options);
    const [dx] = gradients(sum(y), [x]) as [Tensor];
    const program = await backend.compile({ outputs: [y, indices, dx] });
    backend.write(x, Float32Array.from(values));
    program.run();
    const read = async (t: Tensor) => [...(await program.read(t))];
    return { y: await read(y), indices: await read(indices), dx: await read(dx) };
  };

  it("gives ties to the first element in row-major order", async () => {
    const { y, indices, dx } = await pool([1, 2, 2, 2], [1, 1, 2, 2], 2);
    expect(y).toEqual([2]);
    expect(indices).toEqual([1]);
    expect(dx).toEqual([0, 1, 0, 0]);
  });

  it("takes -0 and 0 for equal", async () => {
    expect((await pool([-0, 0, 0, -0], [1, 1, 2, 2], 2)).indices).toEqual([0]);
  });

  it("never lets padding win, not even against very negative numbers", async () => {
    const { y, indices } = await pool([-3e38, -2e38, -1e38, -3e38], [1, 1, 2, 2], 2, { padding: 1 });
    expect(y).toEqual([-3e38, -2e38, -1e38, -3e38].map(Math.fround));
    expect(indices).toEqual([0, 1, 2, 3]);
  });

  it("numbers winners within their plane", async () => {
    const { indices } = await pool([0, 1, 2, 3, 7, 6, 5, 4], [1, 2, 2, 2], 2);
    expect(indices).toEqual([3, 0]);
  });

  it("adds up the gradients of a pixel that wins several windows", async () => {
    const { dx } = await pool([0, 0, 0, 0, 9, 0, 0, 0, 0], [1, 1, 3, 3], 2, { stride: 1 });
    expect(dx).toEqual([0, 0, 0, 0, 4, 0, 0, 0, 0]);
  });

  it("lets NaN win, the last of several, wherever it stands", async () => {
    const { y, indices } = await pool([Number.NaN, 5, 1, 2, 3, 4, Number.NaN, 9], [1, 1, 2, 4], [2, 2]);
    expect(y).toEqual([Number.NaN, Number.NaN]);
    expect(indices).toEqual([0, 6]);
    expect((await pool([Number.NaN, 5, Number.NaN, 2], [1, 1, 2, 2], 2)).indices).toEqual([2]);
  });

  it("finds the first of nothing but -Infinity", async () => {
    const low = Number.NEGATIVE_INFINITY;
    const { y, indices } = await pool([low, low, low, low], [1, 1, 2, 2], 2);
    expect(y).toEqual([low]);
    expect(indices).toEqual([0]);
  });

  it("gives -Infinity and no gradient where a window holds no pixel", async () => {
    const { y, indices, dx } = await pool([1, 2], [1, 1, 2, 1], [2, 1], {
      dilation: [3, 1],
      padding: [1, 0],
    });
    expect(y).toEqual([Number.NEGATIVE_INFINITY]);
    expect(indices).toEqual([-1]);
    expect(dx).toEqual([0, 0]);
  });
});

it("means over large windows are right: no long chain of roundings", async () => {
  const x = constant(new Float32Array(2 * 300 * 300).fill(0.1), [1, 2, 300, 300]);
  const y = avgPool2d(x, 300);
  const program = await (await gpuBackend()).compile({ outputs: [y] });
  program.run();
  // Pixel after pixel it would be 1e-3 off.
  expectClose("mean", await program.read(y), [Math.fround(0.1), Math.fround(0.1)], [2], {
    atol: 0,
    rtol: 1e-5,
  });
});

describe("pooling refuses", () => {
  const x = input([1, 3, 8, 8], "f32", "x");
  it.each([
    [
      "a kernel larger than the padded input",
      () => maxPool2d(x, 9),
      /windows of \[9, 9\] pixels are larger than/,
    ],
    ["dilated windows larger than it", () => maxPool2d(x, 3, { dilation: 4 }), /windows of \[9, 9\] pixels/],
    [
      "padding over half the kernel",
      () => maxPool2d(x, 3, { padding: 2 }),
      /at most half the kernel \[3, 3\] and is \[2, 2\], got f32\[1, 3, 8, 8\]/,
    ],
    [
      "a kernel of no size",
      () => maxPool2d(x, 0),
      /maxPool2d: kernelSize must be a whole number of at least 1/,
    ],
    [
      "a fractional stride",
      () => maxPool2d(x, 2, { stride: 1.5 }),
      /maxPool2d: stride must be a whole number/,
    ],
    ["negative padding", () => maxPool2d(x, 2, { padding: -1 }), /maxPool2d: padding must be a whole number/],
    ["dilation 0", () => maxPool2d(x, 2, { dilation: [1, 0] }), /maxPool2d: dilation must be a whole number/],
    [
      "another rank",
      () => maxPool2d(input([3, 8, 8]), 2),
      /maxPool2d: x must be f32 of rank 4, got f32\[3, 8, 8\]/,
    ],
    ["another dtype", () => maxPool2d(constant(new Int32Array(4), [1, 1, 2, 2]), 2), /x must be f32/],
    [
      "a mean over too large windows",
      () => avgPool2d(x, 9),
      /avgPool2d: windows of \[9, 9\] pixels are larger than/,
    ],
    ["a divisor of 0", () => avgPool2d(x, 2, { divisorOverride: 0 }), /avgPool2d: divisorOverride must be/],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});

describe("padding of four sides", () => {
  const values = (shape: Shape) =>
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => ((i * 37) % 101) - 50);
  const valuesOf = async (x: Tensor, y: Tensor) => {
    const cpu = new CpuBackend();
    const program = await cpu.compile({ outputs: [y] });
    cpu.write(x, values(x.shape));
    program.run();
    return Array.from(await program.read(y));
  };
  // [top, left, bottom, right] of the pool, [left, right, top, bottom] of the op that pads.
  const around = [2, 1, 0, 2] as const;
  const outside = [1, 2, 2, 0];

  it("maxPool2d is maxPool2d of the padded image", async () => {
    const x = input([2, 2, 7, 6]);
    const y = maxPool2d(x, 4, { stride: [1, 2], padding: around });
    const expected = maxPool2d(pad(x, outside, { value: -1000 }), 4, { stride: [1, 2] });
    expect(y.shape).toEqual([2, 2, 6, 3]);
    expect(await valuesOf(x, y)).toEqual(await valuesOf(x, expected));
  });

  it("avgPool2d is avgPool2d of the padded image", async () => {
    const x = input([2, 2, 7, 6]);
    const y = avgPool2d(x, 4, { stride: [1, 2], padding: around });
    const expected = avgPool2d(pad(x, outside), 4, { stride: [1, 2] });
    expect(await valuesOf(x, y)).toEqual(await valuesOf(x, expected));
  });

  it("same gives as many windows as strides fit, and its zeros don't count", async () => {
    const x = input([1, 1, 5, 6]);
    expect(maxPool2d(x, 3, { stride: 2, padding: "same" }).shape).toEqual([1, 1, 3, 3]);
    expect(maxPool2d(x, 2, { stride: 1, padding: "same" }).shape).toEqual([1, 1, 5, 6]);
    const ones = avgPool2d(add(mul(x, 0), 1), 3, { stride: 2, padding: "same" });
    expect(await valuesOf(x, ones)).toEqual(new Array(9).fill(1));
  });

  it.each([
    [[1], /padding must be one number, \[y, x\], \[top, left, bottom, right\] or "same", got \[1\]/],
    [[1, 1, 1], /got \[1, 1, 1\]/],
    [[0, 0, 0, 0, 0], /got \[0, 0, 0, 0, 0\]/],
    ["valid", /got "valid"/],
    [[0, 0, 2, 0], /at most half the kernel \[3, 3\] and is \[0, 0, 2, 0\]/],
    [[0, 0, -1, 0], /padding must be a whole number of at least 0, got -1/],
    [[0, 0, 0.5, 0], /padding must be a whole number of at least 0, got 0.5/],
  ])("%j is refused", (padding, message) => {
    const x = input([1, 1, 6, 6]);
    expect(() => maxPool2d(x, 3, { padding: padding as never })).toThrow(message);
    expect(() => avgPool2d(x, 3, { padding: padding as never })).toThrow(message);
  });

  it.each(["kernelSize", "stride", "dilation"] as const)("%s of another count is refused", (name) => {
    const x = input([1, 1, 6, 6]);
    for (const wrong of [[2], [2, 2, 2], [2, 2, 2, 2], []] as unknown as Pair[]) {
      const kernel = name === "kernelSize" ? wrong : 2;
      const options = name === "kernelSize" ? {} : { [name]: wrong };
      expect(() => maxPool2d(x, kernel, options)).toThrow(
        `maxPool2d: ${name} must be one number or [y, x], got [${wrong}]`.replace(/,(?=\d)/g, ", "),
      );
    }
  });
});
