/** Adaptive and global pools and upsampling: values by plain loops after PyTorch, gradients, ties, refusals. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import type { Shape } from "../../src/graph/spec.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import {
  adaptiveAvgPool2d,
  adaptiveMaxPool2d,
  globalAvgPool2d,
  globalMaxPool2d,
  type UpsampleOptions,
  upsample,
} from "../../src/ops/pool/resize.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { numbers } from "../support/update-run.ts";

const sizes: readonly (readonly [Shape, number | readonly [number, number]])[] = [
  [[1, 1, 1, 1], 1],
  [
    [2, 3, 7, 5],
    [3, 2],
  ],
  [
    [1, 2, 8, 12],
    [4, 3],
  ],
  [
    [1, 2, 3, 4],
    [5, 7],
  ],
  [
    [3, 1, 13, 11],
    [1, 11],
  ],
];
const scales: readonly (readonly [Shape, UpsampleOptions])[] = [
  [[1, 1, 1, 1], { scale: 3 }],
  [[2, 3, 4, 5], { scale: [2, 3] }],
  [[2, 2, 5, 4], { size: [7, 3] }],
  [[2, 2, 5, 4], { scale: 1.6 }],
  [[2, 3, 4, 5], { scale: 2, mode: "bilinear" }],
  [[1, 2, 3, 7], { size: [8, 5], mode: "bilinear" }],
  [[1, 2, 3, 7], { size: [8, 1], mode: "bilinear", alignCorners: true }],
  [[1, 1, 6, 5], { scale: 1.7, mode: "bilinear" }],
];
// Values far enough apart that no two in a window tie within the numeric step.
const distinct = (shape: Shape) => {
  const size = shape.reduce((a, b) => a * b, 1);
  return Array.from({ length: size }, (_, i) => ((i * 37) % 101) / 50 - 1);
};
const cases: readonly OpCase[] = [
  ...sizes.flatMap(([shape, to]): OpCase[] => [
    { name: `adaptiveAvg [${shape}] to ${to}`, inputs: [{ shape }], build: (x) => adaptiveAvgPool2d(x!, to) },
    {
      name: `adaptiveMax [${shape}] to ${to}`,
      inputs: [{ shape, data: distinct(shape) }],
      build: (x) => adaptiveMaxPool2d(x!, to),
    },
    { name: `globalAvg [${shape}]`, inputs: [{ shape }], build: (x) => globalAvgPool2d(x!) },
    { name: `globalMax [${shape}]`, inputs: [{ shape }], build: (x) => globalMaxPool2d(x!) },
  ]),
  ...scales.map(
    ([shape, options]): OpCase => ({
      name: `upsample [${shape}] ${JSON.stringify(options)}`,
      inputs: [{ shape }],
      build: (x) => upsample(x!, options),
    }),
  ),
];
checkOp("resize", cases);

async function run(build: (x: Tensor) => Tensor, shape: Shape, data: ArrayLike<number>) {
  const x = input(shape);
  const y = build(x);
  const [dx] = gradients(y, [x], constant(new Float32Array(y.size).fill(1), y.shape)) as [Tensor];
  const cpu = new CpuBackend({ bits: 64 });
  const program = await cpu.compile({ outputs: [y, dx] });
  cpu.write(x, Float64Array.from(data));
  program.run();
  return { shape: y.shape, y: [...(await program.read(y))], dx: [...(await program.read(dx))] };
}

describe("values", () => {
  for (const [shape, to] of sizes) {
    it(`pools [${shape}] to ${to} as PyTorch's windows say`, async () => {
      const [N, C, H, W] = shape as [number, number, number, number];
      const [OH, OW] = typeof to === "number" ? [to, to] : to;
      const data = numbers(N * C * H * W, 3);
      const [means, maxima]: [number[], number[]] = [[], []];
      for (let plane = 0; plane < N * C; plane++)
        for (let i = 0; i < OH; i++)
          for (let j = 0; j < OW; j++) {
            const seen: number[] = [];
            for (let r = Math.floor((i * H) / OH); r < Math.ceil(((i + 1) * H) / OH); r++)
              for (let c = Math.floor((j * W) / OW); c < Math.ceil(((j + 1) * W) / OW); c++)
                seen.push(data[(plane * H + r) * W + c]!);
            means.push(seen.reduce((a, b) => a + b) / seen.length);
            maxima.push(Math.max(...seen));
          }
      const out = [N, C, OH, OW];
      const average = await run((x) => adaptiveAvgPool2d(x, to), shape, data);
      expect(average.shape).toEqual(out);
      expectClose("means", average.y, means, out, { atol: 1e-12 });
      expectClose("maxima", (await run((x) => adaptiveMaxPool2d(x, to), shape, data)).y, maxima, out, {
        atol: 0,
      });
    });
  }

  // Worked out with torch.nn.functional.interpolate's formulas by hand for rows of 3 pixels 0, 1, 2.
  it.each([
    ["nearest, twice", { size: [1, 6] }, [0, 0, 1, 1, 2, 2]],
    ["nearest, 5 of 3", { size: [1, 5] }, [0, 0, 1, 1, 2]],
    ["nearest, fewer", { size: [1, 2] }, [0, 1]],
    ["bilinear, twice", { size: [1, 6], mode: "bilinear" }, [0, 0.25, 0.75, 1.25, 1.75, 2]],
    [
      "bilinear, corners aligned",
      { size: [1, 5], mode: "bilinear", alignCorners: true },
      [0, 0.5, 1, 1.5, 2],
    ],
    ["bilinear, fewer", { size: [1, 2], mode: "bilinear" }, [0.25, 1.75]],
    [
      "bilinear by a scale that leaves a rest",
      { scale: [1, 1.5], mode: "bilinear" },
      [0, 0.5, 1.1666666666666667, 1.8333333333333335],
    ],
  ] as const)("upsample: %s", async (_, options, expected) => {
    const { y } = await run((x) => upsample(x, options as UpsampleOptions), [1, 1, 1, 3], [0, 1, 2]);
    expectClose("y", y, expected, [expected.length], { atol: 1e-12 });
  });

  it("the first of equals gets the gradient of a maximum", async () => {
    const { dx } = await run((x) => adaptiveMaxPool2d(x, [2, 1]), [1, 1, 3, 2], [5, 5, 5, 5, 5, 5]);
    // Windows are rows 0-1 and 1-2.
    expect(dx).toEqual([1, 0, 1, 0, 0, 0]);
    expect((await run(globalMaxPool2d, [1, 1, 2, 2], [1, 3, 3, 3])).dx).toEqual([0, 1, 0, 0]);
  });
});

describe("resize refuses", () => {
  const x = input([1, 2, 4, 4]);
  it.each([
    ["vectors", () => adaptiveAvgPool2d(input([4]), 2), /adaptiveAvgPool2d: input must be f32 of rank 4/],
    [
      "sizes of 0",
      () => adaptiveMaxPool2d(x, 0),
      /adaptiveMaxPool2d: outputSize must be a whole number of at least 1/,
    ],
    ["neither size nor scale", () => upsample(x, {}), /upsample: give size or scale, and not both/],
    ["both", () => upsample(x, { size: 2, scale: 2 }), /not both/],
    [
      "aligned corners of nearest",
      () => upsample(x, { scale: 2, alignCorners: true }),
      /alignCorners is for bilinear only/,
    ],
    [
      "more pixels than fit",
      () => adaptiveAvgPool2d(x, [3, 1e10]),
      /outputSize \[3, 10000000000\] must be at most/,
    ],
    [
      "a size beyond memory",
      () => upsample(x, { size: 2 ** 15 }),
      /its result \[32768, 32768\] must be at most/,
    ],
    ["a scale that leaves nothing", () => upsample(x, { scale: 0.1 }), /scale 0.1 of 4 pixels leaves none/],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
