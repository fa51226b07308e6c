/** conv3d, convTranspose1d and padding "same" with a stride: PyTorch's values, the GPU against the CPU, sides, refusals. */
import { describe, expect, it } from "vitest";
import { input } from "../../src/graph/tensor.ts";
import { type Conv3dOptions, conv3d } from "../../src/ops/conv/conv3d.ts";
import {
  type ConvTranspose1dOptions,
  conv1d,
  conv2d,
  convTranspose1d,
  convTranspose2d,
} from "../../src/ops/conv/convolutions.ts";
import { pad } from "../../src/ops/shape/pad.ts";
import { reshape } from "../../src/ops/shape/reshape.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { checkTorch } from "../support/golden.ts";
import { numbers } from "../support/update-run.ts";

// Weight gradients add up to 240 products of numbers up to 4.
checkTorch(
  "convolutions",
  {
    conv3d: ({ x, w, b }, { attrs }) => conv3d(x!, w!, b, attrs as Conv3dOptions),
    convTranspose1d: ({ x, w, b }, { attrs }) => convTranspose1d(x!, w!, b, attrs as ConvTranspose1dOptions),
    conv1dSame: ({ x, w }, { attrs }) => conv1d(x!, w!, undefined, { ...attrs, padding: "same" }),
    conv2dSame: ({ x, w }, { attrs }) => conv2d(x!, w!, undefined, { ...attrs, padding: "same" }),
    conv3dSame: ({ x, w }, { attrs }) => conv3d(x!, w!, undefined, { ...attrs, padding: "same" }),
  },
  { atol: 1e-5 },
);

const deep: readonly (readonly [x: number[], w: number[], Conv3dOptions])[] = [
  [[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], {}],
  [[2, 3, 5, 7, 6], [4, 3, 3, 3, 3], { padding: 1, stride: 2 }],
  [[2, 2, 17, 9, 8], [6, 1, 1, 3, 3], { groups: 2, padding: [0, 1, 1] }],
  [[1, 2, 9, 3, 5], [3, 2, 4, 1, 2], { dilation: [2, 1, 3], padding: [3, 0, 1, 2, 0, 3] }],
  [[2, 4, 12, 12, 12], [8, 4, 3, 3, 3], { padding: "same", stride: [2, 1, 2] }],
];
checkOp(
  "conv3d",
  deep.map(
    ([x, w, options]): OpCase => ({
      name: `[${x}] by [${w}] ${JSON.stringify(options)}`,
      inputs: [{ shape: x }, { shape: w }, { shape: [w[0]!] }],
      build: (a, b, c) => conv3d(a!, b!, c, options),
    }),
  ),
  // Sums of up to 1728 products, in the weight gradient of the largest.
  { atol: 5e-5 },
);

checkOp(
  "convTranspose1d",
  ([{}, { stride: 3, padding: [2, 0] }, { stride: 2, padding: "same" }] as const).map(
    (options): OpCase => ({
      name: JSON.stringify(options),
      inputs: [{ shape: [3, 4, 17] }, { shape: [4, 6, 4] }, { shape: [6] }],
      build: (a, b, c) => convTranspose1d(a!, b!, c, options),
    }),
  ),
  { atol: 4e-6 },
);

it("six sides are those of a padded volume; sums of zeros aside", async () => {
  const [x, w] = [input([1, 2, 4, 3, 5]), input([2, 2, 2, 2, 2])];
  const y = conv3d(x, w, undefined, { padding: [1, 0, 2, 0, 3, 1], stride: [2, 1, 3] });
  const expected = conv3d(pad(x, [2, 1, 0, 3, 1, 0]), w, undefined, { stride: [2, 1, 3] });
  expect(y.shape).toEqual(expected.shape);
  const cpu = new CpuBackend({ bits: 64 });
  const program = await cpu.compile({ outputs: [y, expected] });
  cpu.write(x, numbers(120, 1));
  cpu.write(w, numbers(32, 2));
  program.run();
  expectClose("y", await program.read(y), await program.read(expected), y.shape, { atol: 1e-12 });
});

it("convTranspose1d is convTranspose2d of one row", async () => {
  const [x, w] = [input([2, 2, 5]), input([2, 3, 4])];
  const y = convTranspose1d(x, w, undefined, { stride: 3, padding: [2, 1], dilation: 2, outputPadding: 2 });
  const rows = convTranspose2d(reshape(x, [2, 2, 1, 5]), reshape(w, [2, 3, 1, 4]), undefined, {
    stride: [1, 3],
    padding: [0, 2, 0, 1],
    dilation: [1, 2],
    outputPadding: [0, 2],
  });
  expect(y.shape).toEqual([2, 3, 18]);
  const cpu = new CpuBackend({ bits: 64 });
  const program = await cpu.compile({ outputs: [y, rows] });
  cpu.write(x, numbers(20, 1));
  cpu.write(w, numbers(24, 2));
  program.run();
  expect(await program.read(y)).toEqual(await program.read(rows));
});

describe("they refuse", () => {
  const [x, w] = [input([1, 4, 3, 5, 5]), input([2, 4, 3, 3, 3])];
  it.each([
    ["images", () => conv3d(input([1, 4, 5, 5]), w), /conv3d: input must be f32 of rank 5/],
    ["other channels", () => conv3d(x, input([2, 3, 3, 3, 3])), /conv3d: input has 4 channels/],
    [
      "groups that do not divide",
      () => conv3d(x, input([3, 2, 3, 3, 3]), undefined, { groups: 2 }),
      /conv3d: 3 output channels do not divide into 2 groups/,
    ],
    ["a bias of another size", () => conv3d(x, w, input([3])), /conv3d: bias must hold 2 values/],
    [
      "a kernel that is too deep",
      () => conv3d(x, input([2, 4, 4, 3, 3])),
      /conv3d: the kernel is deeper than the padded input/,
    ],
    ["a kernel that is too wide", () => conv3d(x, input([2, 4, 3, 3, 6])), /conv3d: kernel of weight/],
    [
      "strides of two axes",
      () => conv3d(x, w, undefined, { stride: [1, 1] as never }),
      /conv3d: stride must be one number or \[z, y, x\], got \[1, 1\]/,
    ],
    [
      "padding of four sides",
      () => conv3d(x, w, undefined, { padding: [1, 1, 1, 1] as never }),
      /conv3d: padding must be one number, \[z, y, x\], six numbers or "same", got \[1, 1, 1, 1\]/,
    ],
    [
      "other words for padding",
      () => conv1d(input([1, 4, 5]), input([2, 4, 3]), undefined, { padding: "valid" as "same" }),
      /conv1d: padding must be one number, \[left, right\] or "same", got "valid"/,
    ],
    [
      "a step of conv1d",
      () => conv1d(input([1, 4, 5]), input([2, 4, 3]), undefined, { stride: 1.5 }),
      /^conv1d: stride must be a whole number of at least 1, got 1.5/,
    ],
    [
      "a bias of conv1d",
      () => conv1d(input([1, 4, 5]), input([2, 4, 3]), input([3])),
      /^conv1d: bias must hold 2 values/,
    ],
    [
      "too much output padding",
      () => convTranspose1d(input([1, 4, 5]), input([4, 2, 3]), undefined, { outputPadding: 1 }),
      /convTranspose1d: outputPadding must be less than stride 1 or dilation 1, got 1/,
    ],
    [
      "other channels of convTranspose1d",
      () => convTranspose1d(input([1, 3, 5]), input([4, 2, 3])),
      /convTranspose1d: weight must have 3 input channels/,
    ],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
