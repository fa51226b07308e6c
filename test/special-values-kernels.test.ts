/**
 * One NaN or infinity in products, convolutions, pools and resizing, in every kernel variant and fused epilogue: it reaches
 * what it belongs to and nothing else. Images against PyTorch (fixtures/special-values), the rest against the CPU reference.
 */
import { describe, expect, it } from "vitest";
import { gradients } from "../src/autograd.ts";
import type { Data } from "../src/graph/spec.ts";
import { constant, type Tensor } from "../src/graph/tensor.ts";
import { BLOCK_VARIANTS } from "../src/kernels/conv/conv-block.ts";
import { CONV_VARIANTS } from "../src/kernels/conv/conv2d.ts";
import { LINEAR_BACKWARD_VARIANTS } from "../src/kernels/gemm/linear-gradients.ts";
import { PRODUCT_VARIANTS } from "../src/kernels/gemm/matmul.ts";
import * as ops from "../src/ops/index.ts";
import { CpuBackend } from "../src/runtime/cpu/backend.ts";
import { gpuBackend } from "./support/backend.ts";
import { expectClose } from "./support/close.ts";
import { readJsonFixture } from "./support/fixtures.ts";
import { inPage } from "./support/in-page.ts";

type Records = Readonly<Record<string, { readonly y: string; readonly d?: readonly string[] }>>;
const { images } = await readJsonFixture<{ images: Records }>("special-values/special-values.json");
const numbers = (words: string) =>
  words.split(" ").map((w) => Number(w.replace("nan", "NaN").replace("inf", "Infinity")));
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** Small multiples of a quarter, the element at `place` replaced. */
function leaf(shape: readonly number[], place = -1, value = 0, seed = 7): Tensor {
  const data = Float32Array.from(
    { length: shape.reduce((a, b) => a * b, 1) },
    (_, i) => (((i * seed) % 11) - 5) / 4,
  );
  if (place >= 0) data[place] = value;
  return constant(data, shape);
}

type Variants = Readonly<Record<string, string>>;

async function onGpu(outputs: readonly Tensor[], variants: Variants, fuse = false): Promise<Data[]> {
  const program = await (await gpuBackend()).compile({ outputs }, { fuse, variants });
  program.run();
  return Promise.all(outputs.map((t) => program.read(t)));
}

async function onCpu(outputs: readonly Tensor[]): Promise<Data[]> {
  const program = await new CpuBackend({ bits: 64 }).compile({ outputs });
  program.run();
  return Promise.all(outputs.map((t) => program.read(t)));
}

/** The same on the GPU, with every one of `variants`, as on the CPU reference. */
async function alike(
  name: string,
  outputs: readonly Tensor[],
  variants: readonly Variants[],
  fuse = false,
): Promise<void> {
  const expected = await onCpu(outputs);
  for (const v of variants) {
    const actual = await onGpu(outputs, v, fuse);
    outputs.forEach((t, i) => {
      const title = `${name}, ${JSON.stringify(v)}, output ${i}`;
      expectClose(title, actual[i] as Data, expected[i] as Data, t.shape, { rtol: 2e-5, atol: 2e-5 });
    });
  }
}

/**
 * Without the smaller one of two shared-memory tiles, which is the same code and takes seconds to compile; in a page without
 * both, whose operands and epilogues are those of the other tiles.
 */
const distinct = (variants: readonly string[]) =>
  variants.filter((v) => v !== "smallSharedMemory" && !(inPage && v === "sharedMemory"));

const forced = (names: readonly string[], variants: readonly string[]): Variants[] => [
  {},
  ...distinct(variants).map((v) => Object.fromEntries(names.map((n) => [n, v]))),
];

describe("an image with one NaN or infinite pixel is PyTorch's", () => {
  const SIZE = 10;
  const image = (value: number) =>
    constant(
      Float32Array.from({ length: SIZE * SIZE }, (_, e) => {
        const [i, j] = [Math.floor(e / SIZE), e % SIZE];
        return i === 4 && j === 6 ? value : ((7 * i + 3 * j) % 5) / 4;
      }),
      [1, 1, SIZE, SIZE],
    );
  const kernel = (k: number) =>
    constant(
      Float32Array.from({ length: k * k }, (_, e) => ((2 * Math.floor(e / k) + (e % k)) % 3) / 2 - 0.25),
      [1, 1, k, k],
    );
  const convolution = (k: number) => ({
    apply: (x: Tensor) => ops.conv2d(x, kernel(k), undefined, { padding: Math.floor(k / 2) }),
    variants: forced(["conv2d", "conv2dBackwardInput"], CONV_VARIANTS),
  });
  const plain = (apply: (x: Tensor) => Tensor, variants: Variants[] = [{}]) => ({ apply, variants });
  const kinds = {
    k2: convolution(2),
    k3: convolution(3),
    k5: convolution(5),
    maxPool2d: plain((x) => ops.maxPool2d(x, 2), forced(["maxPool2d"], ["2x2", "windows"])),
    avgPool2d: plain((x) => ops.avgPool2d(x, 3, { stride: 1, padding: 1 })),
    nearest: plain((x) => ops.upsample(x, { size: [7, 13] })),
    bilinear: plain((x) => ops.upsample(x, { size: [7, 13], mode: "bilinear" })),
    adaptiveAvgPool2d: plain((x) => ops.adaptiveAvgPool2d(x, [4, 3])),
    adaptiveMaxPool2d: plain((x) => ops.adaptiveMaxPool2d(x, 5)),
  };
  it.each(Object.keys(images))("%s", async (name) => {
    const words = name.split(" ");
    const { apply, variants } = kinds[words.find((w) => w in kinds) as keyof typeof kinds];
    const x = image(words.includes("nan") ? nan : inf);
    const y = apply(x);
    const outputs = [y, ...gradients(ops.sum(y), [x])];
    const record = images[name] as Records[string];
    const expected = [numbers(record.y), ...(record.d ?? []).map(numbers)];
    const found = [await onCpu(outputs), ...(await Promise.all(variants.map((v) => onGpu(outputs, v))))];
    found.forEach((actual, i) => {
      const where = i === 0 ? "CPU" : JSON.stringify(variants[i - 1]);
      outputs.forEach((t, o) => {
        expectClose(`${name}, ${where}, output ${o}`, actual[o] as Data, expected[o] as number[], t.shape);
      });
    });
  });
});

describe("convolutions", () => {
  const variants = forced(["conv2d", "conv2dBackwardInput", "conv2dBackwardWeight"], CONV_VARIANTS);
  it.each([nan, inf])("many channels and images keep %s where it belongs", async (value) => {
    for (const [C, O, K] of [
      [3, 5, 3],
      [4, 6, 4],
    ] as const) {
      const [x, w] = [leaf([2, C, 9, 10], 100, value), leaf([O, C, K, K], -1, 0, 5)];
      const y = ops.conv2d(x, w, undefined, { padding: 1 });
      await alike(`${C} to ${O}, ${K}`, [y], variants);
      const seed = leaf(y.shape, 33, value);
      const clean = leaf([2, C, 9, 10]);
      const [back] = gradients(ops.sum(ops.mul(ops.conv2d(clean, w, undefined, { padding: 1 }), seed)), [
        clean,
      ]);
      await alike(`${C} to ${O}, ${K}, gradient`, [back as Tensor], variants);
    }
  });

  it.each([nan, inf])("of an infinite step at the end of a sum: %s", async (value) => {
    // 3 · 3 · 3 products, 2 · 7 · 7 places: neither is a multiple of four.
    const [x, w] = [leaf([2, 3, 9, 9], 2 * 3 * 81 - 1, value), leaf([5, 3, 3, 3])];
    const y = ops.conv2d(x, w);
    const dw = gradients(ops.sum(ops.mul(y, ops.add(ops.abs(leaf(y.shape)), 0.25))), [w]);
    await alike("tail", [y, ...dw], variants);
  });

  it.each([nan, inf])("blocks with relu and pool, an image with %s", async (value) => {
    const blocks = forced(["convBlock", "convBlockBackward"], BLOCK_VARIANTS);
    for (const [C, O, K] of [
      [1, 6, 5],
      [3, 4, 3],
    ] as const) {
      const [x, w, b] = [leaf([3, C, 14, 14], 60, value), leaf([O, C, K, K]), leaf([O])];
      const y = ops.maxPool2d(ops.relu(ops.conv2d(x, w, b)), 2);
      const [dx] = gradients(ops.sum(ops.mul(y, leaf(y.shape, -1, 0, 3))), [x]);
      await alike(`block ${C} to ${O}`, [y, dx as Tensor], blocks, true);
    }
  });
});

describe("products", () => {
  const shapes = [
    [5, 7, 9],
    [1, 5, 70],
  ] as const;
  it.each([nan, inf])("with %s at the end of a sum", async (value) => {
    for (const [M, K, N] of shapes) {
      for (const [transposeA, transposeB] of [
        [false, false],
        [false, true],
        [true, false],
        [true, true],
      ]) {
        const a = leaf(transposeA ? [K, M] : [M, K], M * K - 1, value);
        const b = leaf(transposeB ? [N, K] : [K, N], -1, 0, 5);
        const other = leaf(transposeB ? [N, K] : [K, N], N * K - 1, value);
        const options = { transposeA: transposeA === true, transposeB: transposeB === true };
        const outputs = [
          ops.matmul(a, ops.add(b, 0.1), options),
          ops.matmul(leaf(a.shape, -1, 0, 3), ops.add(other, 0.1), options),
        ];
        // Shared-memory tiles take seconds to compile: each shape in two of the four ways.
        const slow = (transposeA === transposeB) === (M === 1);
        const variants = PRODUCT_VARIANTS.filter((v) => slow || v !== "sharedMemory");
        await alike(`${M} ${K} ${N}`, outputs, forced(["matmul"], variants));
      }
    }
  });

  const activations = { relu: ops.relu, sigmoid: ops.sigmoid, tanh: ops.tanh };
  it.each(Object.entries(activations))(
    "linear layers with %s fused keep NaN and infinities",
    async (_, f) => {
      const variants = [
        ...forced(["linear"], PRODUCT_VARIANTS),
        ...forced(["linearBackward"], LINEAR_BACKWARD_VARIANTS).slice(1),
      ];
      for (const value of [nan, inf]) {
        const x = leaf([6, 7], 20, value);
        const [w, v] = [leaf([9, 7], 62, value, 5), leaf([3, 9])];
        const clean = leaf([9, 7], -1, 0, 5);
        for (const [input, weight] of [
          [x, clean],
          [leaf([6, 7]), w],
        ] as const) {
          const hidden = f(ops.linear(input, weight, leaf([9])));
          const y = ops.linear(hidden, v, leaf([3]));
          await alike(`${value}`, [y, ...gradients(ops.sum(y), [input, weight, v])], variants, true);
        }
      }
    },
  );
});

describe("means of losses, gradients in the same dispatch", () => {
  const special = [nan, inf, -inf, 0, -0, 0.3, 1, 1.5, -0.5, 100, -100];
  const losses = { mse: ops.mse, bce: ops.bce, bceWithLogits: ops.bceWithLogits };
  it.each(Object.entries(losses))("%s of special values", async (name, loss) => {
    const outputs = special.flatMap((v) =>
      [0, 1, 0.25].flatMap((t) => {
        const [x, target] = [constant(Float32Array.of(v)), constant(Float32Array.of(t))];
        const y = loss(x, target);
        const item = loss(x, target, { reduction: "sum" });
        return [y, ...gradients(y, [x]), item, ...gradients(item, [x])];
      }),
    );
    await alike(name, outputs, forced([name], ["single", "parts"]));
  });

  it("bce of what is no probability is NaN, and so is its gradient", async () => {
    for (const v of [-1e-6, 1.000001, -1, 2, inf, -inf, nan]) {
      const x = constant(Float32Array.of(0.5, v));
      const outputs = (["mean", "none"] as const).flatMap((reduction) => {
        const y = ops.bce(x, constant(Float32Array.of(1, 1)), { reduction });
        return [ops.sum(y), ...gradients(ops.sum(y), [x])];
      });
      for (const found of [await onCpu(outputs), await onGpu(outputs, {})]) {
        for (const i of [0, 2]) expect(found[i]?.[0]).toBeNaN();
        for (const i of [1, 3]) expect([found[i]?.[0], found[i]?.[1]]).toEqual([expect.any(Number), nan]);
        expect(found[3]?.[0]).toBeCloseTo(-2);
      }
    }
  });

  it("crossEntropy and nll of special rows", async () => {
    const rows = [
      [nan, 1, 2, 3],
      [0, nan, inf, 0],
      [inf, 1, 2, 3],
      [-inf, 1, 2, 3],
      [1, -inf, 2, -inf],
      [-inf, -inf, -inf, -inf],
      [100, -100, 0, 1],
    ];
    const outputs = rows.flatMap((row) =>
      [0, 1].flatMap((label) =>
        [ops.crossEntropy, ops.nll].flatMap((f) => {
          const x = constant(Float32Array.from(row), [1, 4]);
          const { loss, correct } = f(x, constant(Int32Array.of(label)));
          return [loss, correct, ...gradients(loss, [x])];
        }),
      ),
    );
    await alike("classes", outputs, forced(["crossEntropy", "nll"], ["single", "rows", "wide"]));
  });
});
