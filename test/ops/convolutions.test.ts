/** conv2d with "same", conv1d and convTranspose2d: values by plain loops, gradients, golden values, refusals. */
import { describe, expect, it } from "vitest";
import { input } from "../../src/graph/tensor.ts";
import { conv1d, conv2d, convTranspose2d } from "../../src/ops/conv/convolutions.ts";
import { slice } from "../../src/ops/shape/slice.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { checkGoldens } from "../support/golden.ts";
import { numbers } from "../support/update-run.ts";

checkGoldens(
  "conv_transpose2d",
  {
    conv_transpose2d: ({ x, weight, bias }, { attrs }) =>
      convTranspose2d(x!, weight!, bias, {
        stride: attrs.stride as [number, number],
        padding: attrs.padding as [number, number],
        outputPadding: attrs.output_padding as [number, number],
        dilation: attrs.dilation as [number, number],
        groups: attrs.groups as number,
      }),
  },
  { atol: 6e-6 },
); // The bias gradient adds 280 numbers around 1.

const transposed: readonly (readonly [x: number[], w: number[], Parameters<typeof convTranspose2d>[3]])[] = [
  [[1, 1, 1, 1], [1, 1, 1, 1], {}],
  [[2, 3, 5, 7], [3, 4, 3, 3], {}],
  [[1, 4, 3, 4], [4, 3, 2, 3], { stride: [2, 3], padding: [1, 0], outputPadding: [1, 2], groups: 2 }],
  [[2, 3, 4, 3], [3, 2, 3, 2], { dilation: [3, 2], outputPadding: [2, 1] }],
  [[1, 2, 4, 3], [2, 2, 3, 2], { dilation: [3, 4], outputPadding: [2, 3], padding: [3, 1] }],
  [[2, 2, 4, 3], [2, 2, 3, 2], { stride: 2, dilation: [2, 3], padding: 1 }],
  [[1, 2, 9, 9], [2, 1, 4, 4], { stride: 4, groups: 2 }],
  [[2, 3, 4, 5], [3, 2, 3, 4], { padding: [2, 0, 0, 1] }],
  [[1, 4, 3, 4], [4, 3, 2, 3], { stride: [2, 3], padding: [1, 0, 0, 2], outputPadding: [1, 2], groups: 2 }],
  [[1, 2, 4, 3], [2, 2, 3, 2], { dilation: [3, 4], outputPadding: [2, 3], padding: [0, 1, 1, 0] }],
  [[2, 2, 4, 3], [2, 2, 3, 4], { stride: 2, padding: "same" }],
  [[2, 2, 4, 3], [2, 2, 1, 2], { stride: 3, padding: "same" }],
];
const convCases: readonly OpCase[] = [
  ...transposed.map(
    ([x, w, options]): OpCase => ({
      name: `transposed [${x}] by [${w}] ${JSON.stringify(options)}`,
      inputs: [{ shape: x }, { shape: w }, { shape: [w[1]! * (options?.groups ?? 1)] }],
      build: (a, b, c) => convTranspose2d(a!, b!, c, options),
    }),
  ),
  ...(
    [
      [3, 1],
      [2, 1],
      [4, 3],
      [5, 2],
    ] as const
  ).map(
    ([k, dilation]): OpCase => ({
      name: `same, kernel [${k}, ${k + 1}], dilation ${dilation}`,
      inputs: [{ shape: [2, 4, 7, 9] }, { shape: [6, 2, k, k + 1] }, { shape: [6] }],
      build: (a, b, c) => conv2d(a!, b!, c, { padding: "same", dilation, groups: 2 }),
    }),
  ),
  ...(
    [{}, { stride: 3, padding: 2 }, { padding: [3, 0], dilation: 2 }, { padding: "same", groups: 2 }] as const
  ).map(
    (options): OpCase => ({
      name: `conv1d ${JSON.stringify(options)}`,
      inputs: [{ shape: [3, 4, 17] }, { shape: [6, "groups" in options ? 2 : 4, 4] }, { shape: [6] }],
      build: (a, b, c) => conv1d(a!, b!, c, options),
    }),
  ),
];
// Sums of up to 40 products; the bias gradient adds 100 and more.
checkOp("convolutions", convCases, { atol: 4e-6 });

it.each([
  [
    [2, 3],
    [1, 2],
    [2, 1],
    [1, 0],
  ],
  [
    [1, 2],
    [2, 0],
    [3, 4],
    [2, 3],
  ],
  [
    [1, 1],
    [0, 1],
    [3, 4],
    [2, 3],
  ],
] as const)("convTranspose2d scatters, as PyTorch's formula says: strides %j", async (s, p, d, op) => {
  const groups = 2;
  const [X, K] = [
    [2, 4, 3, 5],
    [4, 3, 2, 4],
  ] as const;
  const size = (i: 0 | 1) => (X[2 + i]! - 1) * s[i] - 2 * p[i] + d[i] * (K[2 + i]! - 1) + op[i] + 1;
  const [H, W] = [size(0), size(1)];
  const [x, w] = [input([...X]), input([...K])];
  const [xs, ws] = [numbers(120, 1), numbers(96, 2)];
  const expected = new Float64Array(2 * 6 * H * W);
  for (let n = 0; n < 2; n++)
    for (let c = 0; c < 4; c++)
      for (let o = 0; o < 3; o++)
        for (let iy = 0; iy < 3; iy++)
          for (let ix = 0; ix < 5; ix++)
            for (let ky = 0; ky < 2; ky++)
              for (let kx = 0; kx < 4; kx++) {
                const [y, col] = [iy * s[0] - p[0] + ky * d[0], ix * s[1] - p[1] + kx * d[1]];
                if (y < 0 || y >= H || col < 0 || col >= W) continue;
                const channel = Math.floor(c / 2) * 3 + o;
                expected[((n * 6 + channel) * H + y) * W + col]! +=
                  xs[((n * 4 + c) * 3 + iy) * 5 + ix]! * ws[((c * 3 + o) * 2 + ky) * 4 + kx]!;
              }
  const y = convTranspose2d(x, w, undefined, {
    stride: s,
    padding: p,
    dilation: d,
    outputPadding: op,
    groups,
  });
  expect(y.shape).toEqual([2, 6, H, W]);
  const cpu = new CpuBackend({ bits: 64 });
  const program = await cpu.compile({ outputs: [y] });
  cpu.write(x, xs);
  cpu.write(w, ws);
  program.run();
  expectClose("y", await program.read(y), expected, y.shape, { atol: 1e-12 });
});

it.each([
  [{ stride: 2, padding: [2, 0, 1, 3] }, [2, 0, 1, 3]],
  [{ stride: [3, 2], padding: [0, 2, 1, 0], outputPadding: [2, 1] }, [0, 2, 1, 0]],
  [{ stride: 2, padding: "same" }, [0, 1, 1, 1]],
] as const)("convTranspose2d of %j cuts off four sides", async (options, [top, left, bottom, right]) => {
  const [x, w] = [input([2, 2, 4, 5]), input([2, 3, 3, 4])];
  const y = convTranspose2d(x, w, undefined, options);
  const whole = convTranspose2d(x, w, undefined, { ...options, padding: 0 });
  const [H, W] = [whole.shape[2]! - bottom, whole.shape[3]! - right];
  const expected = slice(whole, [0, 0, top, left], [2, 3, H, W]);
  expect(y.shape).toEqual(expected.shape);
  const cpu = new CpuBackend({ bits: 64 });
  const program = await cpu.compile({ outputs: [y, expected] });
  cpu.write(x, numbers(80, 1));
  cpu.write(w, numbers(72, 2));
  program.run();
  expectClose("y", await program.read(y), await program.read(expected), y.shape, { atol: 1e-12 });
});

it("convTranspose2d same gives stride times the size", () => {
  const y = convTranspose2d(input([1, 1, 5, 6]), input([1, 1, 2, 5]), undefined, {
    stride: [3, 2],
    padding: "same",
  });
  expect(y.shape).toEqual([1, 1, 15, 12]);
});

it("same keeps the size; an uneven pixel comes last", () => {
  const y = conv2d(input([1, 1, 5, 6]), input([1, 1, 2, 4]), undefined, { padding: "same" });
  expect(y.shape).toEqual([1, 1, 5, 6]);
  expect(y.node.attrs).toMatchObject({ padTop: 0, padBottom: 1, padLeft: 1, padRight: 2 });
});

describe("convolutions refuse", () => {
  const [x, w] = [input([1, 4, 5, 5]), input([4, 2, 3, 3])];
  it.each([
    [
      "too much output padding",
      () => convTranspose2d(x, w, undefined, { outputPadding: 1 }),
      /outputPadding must be less than stride 1 or dilation 1, got 1/,
    ],
    [
      "other channels",
      () => convTranspose2d(input([1, 3, 5, 5]), w),
      /convTranspose2d: weight must have 3 input channels/,
    ],
    [
      "groups that do not divide",
      () => convTranspose2d(x, w, undefined, { groups: 3 }),
      /4 channels do not divide into 3 groups/,
    ],
    ["a bias of another size", () => convTranspose2d(x, w, input([3])), /bias must hold 2 values/],
    [
      "padding that leaves nothing",
      () => convTranspose2d(input([1, 4, 1, 1]), w, undefined, { padding: 2 }),
      /padding leaves nothing/,
    ],
    [
      "padding of three",
      () => convTranspose2d(x, w, undefined, { padding: [1, 1, 1] as never }),
      /convTranspose2d: padding must be one number, \[y, x\], \[top, left, bottom, right\] or "same", got \[1, 1, 1\]/,
    ],
    [
      "padding of three in conv2d",
      () => conv2d(x, input([2, 4, 3, 3]), undefined, { padding: [1, 1, 1] as never }),
      /conv2d: padding must be one number, \[y, x\] or \[top, left, bottom, right\], got \[1, 1, 1\]/,
    ],
    [
      "padding of four in conv1d",
      () => conv1d(input([1, 4, 5]), input([2, 4, 3]), undefined, { padding: [1, 1, 1, 1] as never }),
      /conv1d: padding must be one number, \[left, right\] or "same", got \[1, 1, 1, 1\]/,
    ],
    [
      "same with an output padding",
      () => convTranspose2d(x, w, undefined, { padding: "same", outputPadding: 0 }),
      /"same" settles the size; leave outputPadding out/,
    ],
    ["images in one dimension", () => conv1d(x, w), /conv1d: input must be f32 of rank 3/],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });

  it.each(["stride", "dilation", "outputPadding"] as const)("%s of another count than two", (name) => {
    for (const wrong of [[1], [1, 1, 1], [1, 1, 1, 1]]) {
      expect(() => convTranspose2d(x, w, undefined, { [name]: wrong as never })).toThrow(
        `convTranspose2d: ${name} must be one number or [y, x], got [${wrong.join(", ")}]`,
      );
    }
  });
});
