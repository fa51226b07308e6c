/** conv2d and its gradients: geometries of every kind, every variant, second derivatives, the goldens, bad input. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import type { Shape } from "../../src/graph/spec.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { type Conv2dOptions, conv2d } from "../../src/ops/conv/conv2d.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { listFixtures, readFixture, readJsonFixture } from "../support/fixtures.ts";
import { inPage } from "../support/in-page.ts";

const force = (v: string) => ({ conv2d: v, conv2dBackwardInput: v, conv2dBackwardWeight: v });
const variants = ["subgroup", "register", "direct", "im2col"].map(force);
/** Kernels with barriers, which take software adapters about a second to compile. */
const sharedMemory = ["sharedMemory", "smallSharedMemory"].map(force);

type Case = readonly [x: Shape, w: Shape, options?: Conv2dOptions, bias?: boolean];

const casesOf = (list: readonly Case[]) =>
  list.map(([x, w, options, bias]) => ({
    name: `[${x}] * [${w}] ${JSON.stringify(options ?? {})}${bias === false ? " no bias" : ""}`,
    inputs: [{ shape: x }, { shape: w }, ...(bias === false ? [] : [{ shape: [w[0]!] }])],
    build: (...t: Tensor[]) => conv2d(t[0]!, t[1]!, t[2], options),
  }));

// Sums of up to 4 * 9 * 9 products of numbers up to 1 in the weight gradients.
checkOp(
  "conv2d",
  casesOf([
    [
      [1, 1, 1, 1],
      [1, 1, 1, 1],
    ],
    [
      [2, 3, 5, 7],
      [2, 3, 1, 1],
    ],
    [[3, 4, 9, 8], [5, 4, 3, 2], { stride: 2, padding: [1, 0, 0, 1] }],
    [[2, 2, 9, 11], [3, 2, 2, 3], { dilation: [3, 2], stride: [1, 3], padding: [2, 1, 0, 4] }, false],
    [[2, 6, 8, 7], [4, 3, 3, 3], { groups: 2, padding: 1 }],
  ]),
  { variants, atol: 5e-6 },
);

// The shapes of LeNet-5, of a tile and around it, larger than a tile every way; sums of up to 3 * 784 products.
checkOp(
  "conv2d, larger",
  casesOf([
    [[3, 1, 28, 28], [6, 1, 5, 5], { padding: 2 }],
    [
      [3, 6, 14, 14],
      [16, 6, 5, 5],
    ],
    [[3, 17, 9, 10], [33, 17, 3, 3], { padding: 1 }],
  ]),
  { variants, numeric: false, atol: 2e-5 },
);

checkOp(
  "conv2d in shared memory",
  // gemm.test.ts has strides, dilations, groups and the sizes around a tile.
  casesOf([[[3, 17, 9, 10], [66, 17, 3, 3], { padding: 1 }]]),
  { variants: sharedMemory, numeric: false, atol: 1e-5 },
);

checkOp(
  "conv2d, as chosen",
  casesOf([
    [[2, 3, 7, 7], [5, 3, 3, 3], { padding: 1 }, false],
    [[1, 7, 9, 8], [7, 7, 3, 3], { padding: 1 }],
    [[1, 8, 8, 8], [8, 8, 3, 3], { padding: 1 }],
    [[1, 9, 7, 9], [15, 9, 3, 3], { padding: [1, 0] }],
    [[2, 5, 6, 6], [10, 1, 3, 3], { groups: 5, padding: 1, stride: 2 }],
    [
      [1, 3, 4, 4],
      [2, 3, 4, 4],
    ],
    [[2, 2, 3, 3], [2, 2, 5, 5], { padding: 3 }],
    [[1, 1, 3, 70], [1, 1, 1, 7], { padding: [0, 3] }],
    [[1, 16, 12, 33], [16, 16, 3, 3], { padding: 1 }],
  ]),
  { numeric: false, atol: 1e-5 },
);

checkOp(
  "conv2d, gradient of the gradient",
  [
    { x: [2, 2, 6, 5], w: [4, 2, 3, 2], options: { padding: [1, 0, 2, 1], stride: [2, 1] } },
    { x: [1, 4, 5, 5], w: [2, 2, 2, 2], options: { groups: 2, dilation: 2 } },
  ].map(({ x, w, options }) => ({
    name: JSON.stringify({ x, w, options }),
    inputs: [{ shape: x }, { shape: w }, { shape: [w[0]!] }],
    build: (...t: Tensor[]) => {
      const y = conv2d(t[0]!, t[1]!, t[2], options as Conv2dOptions);
      return gradients(sum(mul(mul(y, y), y)), [t[0]!, t[1]!, t[2]!]);
    },
  })),
  // The cube's third derivative multiplies rounding of values up to 100.
  { variants, atol: 1e-4, rtol: 1e-4 },
);

interface GoldenTensor {
  readonly name: string;
  readonly shape: number[];
  readonly dtype: "float32" | "float64";
  readonly data?: number[];
  readonly bin?: string;
}
interface Golden {
  readonly attrs: {
    readonly stride: [number, number];
    readonly pads_top_left_bottom_right: [number, number, number, number];
    readonly dilation: [number, number];
    readonly groups: number;
    readonly bias: boolean;
  };
  readonly inputs: readonly GoldenTensor[];
  readonly outputs: readonly GoldenTensor[];
  readonly output_grads: readonly GoldenTensor[];
  readonly input_grads: readonly GoldenTensor[];
  readonly f32_error: Readonly<Record<string, number>>;
}

const folder = "golden/conv2d";

async function values({ data, bin, dtype }: GoldenTensor): Promise<Float64Array> {
  // Decimals of float32 numbers are as short as tells them apart.
  if (bin === undefined) return Float64Array.from(data ?? [], dtype === "float32" ? Math.fround : Number);
  const { buffer } = await readFixture(`${folder}/${bin}`);
  return dtype === "float64" ? new Float64Array(buffer) : Float64Array.from(new Float32Array(buffer));
}

async function checkGolden(
  golden: Golden,
  backend: Backend,
  variant: Readonly<Record<string, string>>,
): Promise<void> {
  const { attrs } = golden;
  const given = golden.inputs.map((t) => input(t.shape, "f32", t.name));
  const y = conv2d(given[0]!, given[1]!, given[2], {
    stride: attrs.stride,
    padding: attrs.pads_top_left_bottom_right,
    dilation: attrs.dilation,
    groups: attrs.groups,
  });
  const dy = input(y.shape, "f32", "dy");
  const wanted = [y, ...gradients(y, given, dy)];
  const program = await backend.compile({ outputs: wanted }, { variants: variant });
  for (const [i, t] of golden.inputs.entries()) backend.write(given[i]!, await values(t));
  backend.write(dy, await values(golden.output_grads[0]!));
  program.run();
  for (const [i, t] of [...golden.outputs, ...golden.input_grads].entries()) {
    const got = await program.read(wanted[i]!);
    // References of dtype float32 are rounded to 24 bits; a kernel may sum in another order than the one measured.
    const tolerance =
      backend.kind === "cpu"
        ? { atol: 1e-10, rtol: t.dtype === "float32" ? 2 ** -24 : 1e-12 }
        : { atol: 1e-6 + 4 * golden.f32_error[t.name]!, rtol: 1e-5 };
    expectClose(t.name, got, await values(t), t.shape, tolerance);
  }
}

describe("goldens", () => {
  for (const [i, path] of listFixtures(folder, ".json").entries()) {
    const name = path.slice(folder.length + 1, -".json".length);
    it(`${name}: CPU, float64`, async () => {
      await checkGolden(await readJsonFixture<Golden>(path), new CpuBackend({ bits: 64 }), {});
    });
    // Shared-memory tiles take turns: what they compute is held against the CPU body above.
    const slow = i % 8 === 0 ? sharedMemory.slice((i / 8) % 2, ((i / 8) % 2) + 1) : [];
    // In a page all take turns.
    const some = inPage ? [variants[i % variants.length]!] : [...variants, ...slow];
    for (const variant of some) {
      it(`${name}: ${variant.conv2d}`, async () => {
        await checkGolden(await readJsonFixture<Golden>(path), await gpuBackend(), variant);
      });
    }
  }
});

it("refuses shapes and options that do not go together", () => {
  const x = input([2, 3, 8, 8]);
  expect(() => conv2d(x, input([16, 6, 5, 5]))).toThrow(
    "conv2d: input has 3 channels, weight [16, 6, 5, 5] expects 6",
  );
  expect(() => conv2d(x, input([4, 3, 9, 1]))).toThrow(/does not fit into the padded input \[2, 3, 8, 8\]/);
  expect(() => conv2d(x, input([4, 1, 3, 3]), undefined, { groups: 3 })).toThrow(/4 output channels/);
  expect(() => conv2d(input([3, 8, 8]), input([4, 3, 3, 3]))).toThrow(/input must be f32 of rank 4/);
  expect(() => conv2d(x, input([4, 3, 3]))).toThrow(/weight must be f32 of rank 4/);
  expect(() => conv2d(x, input([4, 3, 3, 3]), input([3]))).toThrow(/bias must hold 4 values/);
  expect(() => conv2d(x, input([4, 3, 3, 3]), undefined, { stride: 0 })).toThrow(/stride/);
  expect(() => conv2d(x, input([4, 3, 3, 3]), undefined, { padding: -1 })).toThrow(/padding/);
  expect(() => conv2d(x, input([4, 3, 3, 3]), undefined, { dilation: 1.5 })).toThrow(/dilation/);
});
