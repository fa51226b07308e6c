/** Pools in one and three dimensions: PyTorch's values, the GPU against the CPU, "same", ties, special values, refusals. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import * as lines from "../../src/ops/pool/pool1d.ts";
import * as volumes from "../../src/ops/pool/pool3d.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { pad } from "../../src/ops/shape/pad.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { checkTorch } from "../support/golden.ts";

const ops = {
  maxPool1d: lines.maxPool1d,
  avgPool1d: lines.avgPool1d,
  adaptiveAvgPool1d: lines.adaptiveAvgPool1d,
  adaptiveMaxPool1d: lines.adaptiveMaxPool1d,
  maxPool3d: volumes.maxPool3d,
  avgPool3d: volumes.avgPool3d,
} as Readonly<Record<string, (x: Tensor, size: never, options: never) => Tensor>>;

checkTorch(
  "pools",
  Object.fromEntries(
    Object.entries(ops).map(([name, pool]) => [
      name,
      ({ x }: Readonly<Record<string, Tensor>>, { attrs }: { attrs: Readonly<Record<string, unknown>> }) =>
        pool(x!, attrs.size as never, attrs.options as never),
    ]),
  ),
);

const signal = { shape: [3, 5, 67] };
const volume = { shape: [2, 3, 7, 9, 8] };
const uses: readonly (readonly [name: string, x: typeof signal, build: (x: Tensor) => Tensor])[] = [
  ["maxPool1d", signal, (x) => lines.maxPool1d(x, 4, { stride: 3, padding: [2, 1] })],
  ["maxPool1d, same", signal, (x) => lines.maxPool1d(x, 3, { stride: 2, padding: "same" })],
  ["avgPool1d", signal, (x) => lines.avgPool1d(x, 4, { stride: 3, padding: [0, 2], ceilMode: true })],
  ["avgPool1d, same", signal, (x) => lines.avgPool1d(x, 2, { padding: "same" })],
  ["globalAvgPool1d", signal, lines.globalAvgPool1d],
  ["globalMaxPool1d", signal, lines.globalMaxPool1d],
  ["maxPool3d", volume, (x) => volumes.maxPool3d(x, [3, 2, 2], { padding: [1, 0, 1, 0, 1, 0] })],
  ["maxPool3d, same", volume, (x) => volumes.maxPool3d(x, 3, { stride: [1, 2, 3], padding: "same" })],
  ["avgPool3d", volume, (x) => volumes.avgPool3d(x, 2, { stride: 1, padding: [0, 0, 1, 1, 0, 0] })],
  ["avgPool3d, same", volume, (x) => volumes.avgPool3d(x, 3, { stride: 2, padding: "same" })],
  ["globalAvgPool3d", volume, volumes.globalAvgPool3d],
];
checkOp(
  "pools in one and three dimensions",
  uses.map(([name, x, build]): OpCase => ({ name, inputs: [x], build: (t) => build(t!) })),
);

describe.each([
  ["cpu", async (): Promise<Backend> => new CpuBackend()],
  ["webgpu", gpuBackend],
] as const)("on %s", (_, open) => {
  const run = async (build: (x: Tensor) => Tensor, values: readonly number[], shape: readonly number[]) => {
    const backend = await open();
    const x = input(shape);
    const y = build(x);
    const [dx] = gradients(sum(y), [x]) as [Tensor];
    const program = await backend.compile({ outputs: [y, dx] });
    backend.write(x, Float32Array.from(values));
    program.run();
    return { y: [...(await program.read(y))], dx: [...(await program.read(dx))] };
  };

  it("of equal elements the first gets the gradient, also across slices", async () => {
    const { y, dx } = await run((x) => volumes.maxPool3d(x, 2), [0, 1, 1, 1, 1, 1, 1, 1], [1, 1, 2, 2, 2]);
    expect(y).toEqual([1]);
    expect(dx).toEqual([0, 1, 0, 0, 0, 0, 0, 0]);
  });

  it("NaN wins, the last of several, and padding never does", async () => {
    const nan = Number.NaN;
    const { y, dx } = await run(
      (x) => volumes.maxPool3d(x, 2),
      [9, nan, 0, 0, 0, 0, nan, 1],
      [1, 1, 2, 2, 2],
    );
    expect(y).toEqual([nan]);
    expect(dx).toEqual([0, 0, 0, 0, 0, 0, 1, 0]);
    const padded = await run((x) => volumes.maxPool3d(x, 2, { padding: 1 }), [-5], [1, 1, 1, 1, 1]);
    expect(padded.y).toEqual([-5]);
    expect((await run((x) => lines.maxPool1d(x, 2, { padding: 1 }), [-5, -7], [1, 1, 2])).y).toEqual([
      -5, -7,
    ]);
  });

  it("avgPool3d counts padding only if asked to, and not beyond it", async () => {
    const ones = new Array<number>(8).fill(1);
    const mean = (options: volumes.AvgPool3dOptions) =>
      run((x) => volumes.avgPool3d(x, 2, options), ones, [1, 1, 2, 2, 2]);
    expect((await mean({ padding: 1 })).y).toEqual(new Array(8).fill(1 / 8));
    expect((await mean({ padding: 1, countIncludePad: false })).y).toEqual(new Array(8).fill(1));
    expect((await mean({ padding: "same", stride: 1 })).y).toEqual(new Array(8).fill(1));
    expect((await mean({ divisorOverride: 4 })).y).toEqual([2]);
  });

  it("padding of six sides is that of a padded volume", async () => {
    const values = Array.from({ length: 60 }, (_, i) => ((i * 37) % 101) - 50);
    const windows = { stride: [1, 2, 1] } as const;
    const direct = await run(
      (x) => volumes.maxPool3d(x, [2, 3, 3], { ...windows, padding: [1, 0, 1, 0, 1, 0] }),
      values,
      [1, 1, 3, 4, 5],
    );
    const around = await run(
      (x) => volumes.maxPool3d(pad(x, [1, 0, 0, 1, 1, 0], { value: -1000 }), [2, 3, 3], windows),
      values,
      [1, 1, 3, 4, 5],
    );
    expect(direct).toEqual(around);
  });
});

describe("they refuse", () => {
  const [x, v] = [input([1, 2, 6]), input([1, 2, 4, 4, 4])];
  it.each([
    ["images", () => lines.maxPool1d(v, 2), /maxPool1d: x must be f32 of rank 3/],
    ["signals", () => volumes.avgPool3d(x, 2), /avgPool3d: x must be f32 of rank 5/],
    ["a kernel that is too long", () => lines.avgPool1d(x, 7), /avgPool1d: windows of \[1, 7\] pixels are/],
    ["a kernel that is too deep", () => volumes.maxPool3d(v, [5, 1, 1]), /maxPool3d: windows of \[5, 1\]/],
    [
      "too much padding",
      () => lines.maxPool1d(x, 3, { padding: 2 }),
      /maxPool1d: padding must be at most half the kernel/,
    ],
    [
      "padding of four sides",
      () => volumes.maxPool3d(v, 2, { padding: [1, 1, 1, 1] as never }),
      /maxPool3d: padding must be one number, \[z, y, x\], six numbers or "same"/,
    ],
    [
      "a kernel of two sizes",
      () => volumes.maxPool3d(v, [2, 2] as never),
      /must be one number or \[z, y, x\]/,
    ],
    ["a kernel of no size", () => lines.maxPool1d(x, 0), /maxPool1d: kernelSize must be a whole number/],
    [
      "same with ceilMode",
      () => volumes.maxPool3d(v, 2, { padding: "same", ceilMode: true }),
      /maxPool3d: padding "same" determines the size/,
    ],
    ["a divisor of 0", () => volumes.avgPool3d(v, 2, { divisorOverride: 0 }), /avgPool3d: divisorOverride/],
    ["integers", () => lines.maxPool1d(constant(new Int32Array(4), [1, 1, 4]), 2), /x must be f32/],
    ["no windows", () => lines.adaptiveAvgPool1d(x, 0), /adaptiveAvgPool1d: outputSize must be/],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
