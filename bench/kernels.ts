/** The kernels that are timed one by one: LeNet-5's own shapes, and larger ones where arithmetic or memory binds. */
import { gradients, ops, type Tensor } from "../src/index.ts";
import type { KernelCase } from "./measure.ts";

const matmul = (n: number): KernelCase => ({
  name: `matmul ${n}`,
  shapes: [
    [n, n],
    [n, n],
  ],
  build: (a, b) => ops.matmul(a as Tensor, b as Tensor),
  flops: 2 * n ** 3,
});

function linear(batch: number, inFeatures: number, outFeatures: number): KernelCase[] {
  const name = `linear ${batch}x${inFeatures}->${outFeatures}`;
  const shapes = [[batch, inFeatures], [outFeatures, inFeatures], [outFeatures]];
  const flops = 2 * batch * inFeatures * outFeatures;
  const forward = (x: Tensor, w: Tensor, b: Tensor) => ops.relu(ops.linear(x, w, b));
  return [
    { name, shapes, flops, build: (x, w, b) => forward(x as Tensor, w as Tensor, b as Tensor) },
    {
      name: `${name}, gradients`,
      shapes: [...shapes, [batch, outFeatures]],
      flops: 2 * flops,
      build: (x, w, b, dy) => {
        const inputs = [x, w, b] as Tensor[];
        return gradients(ops.linear(x as Tensor, w as Tensor, b), inputs, dy);
      },
    },
  ];
}

interface Conv {
  readonly name: string;
  readonly x: readonly [n: number, c: number, h: number, w: number];
  readonly out: number;
  readonly kernel: number;
  readonly padding: number;
}

function conv({ name, x: shape, out, kernel, padding }: Conv): KernelCase[] {
  const [n, c, h, w] = shape;
  const size = (d: number) => d + 2 * padding - kernel + 1;
  const flops = 2 * n * out * size(h) * size(w) * c * kernel ** 2;
  const weight = [out, c, kernel, kernel];
  const y = [n, out, size(h), size(w)];
  const build = (x?: Tensor, k?: Tensor) => ops.conv2d(x as Tensor, k as Tensor, undefined, { padding });
  const gradient = (at: 0 | 1) => (x?: Tensor, k?: Tensor, dy?: Tensor) =>
    gradients(build(x, k), [[x, k][at] as Tensor], dy);
  return [
    { name, shapes: [shape, weight], flops, build },
    { name: `${name}, input gradient`, shapes: [shape, weight, y], flops, build: gradient(0) },
    // A sum of many thousand terms: float32's rounding grows with its root.
    {
      name: `${name}, weight gradient`,
      shapes: [shape, weight, y],
      flops,
      build: gradient(1),
      tolerance: 1e-4,
    },
  ];
}

export const kernelCases: readonly KernelCase[] = [
  matmul(256),
  matmul(512),
  ...linear(64, 400, 120),
  ...linear(64, 120, 84),
  ...conv({ name: "conv2d 5x5 1->6 28x28 N=64", x: [64, 1, 28, 28], out: 6, kernel: 5, padding: 2 }),
  ...conv({ name: "conv2d 5x5 6->16 14x14 N=64", x: [64, 6, 14, 14], out: 16, kernel: 5, padding: 0 }),
  ...conv({ name: "conv2d 3x3 64->64 28x28 N=8", x: [8, 64, 28, 28], out: 64, kernel: 3, padding: 1 }),
  {
    name: "maxPool2d 2 of [64, 16, 28, 28]",
    shapes: [[64, 16, 28, 28]],
    build: (x) => ops.maxPool2d(x as Tensor, 2),
    bytes: 64 * 16 * 784 * 4 * 1.5,
  },
  {
    name: "softmax of [4096, 100]",
    shapes: [[4096, 100]],
    build: (x) => ops.softmax(x as Tensor),
    bytes: 4096 * 100 * 8,
  },
  {
    name: "tanh(a * b + c) of 1,000,000",
    shapes: [[1_000_000], [1_000_000], [1_000_000]],
    build: (a, b, c) => ops.tanh(ops.add(ops.mul(a as Tensor, b as Tensor), c as Tensor)),
    bytes: 16e6,
  },
  {
    name: "sum of 1,000,000",
    shapes: [[1_000_000]],
    build: (x) => ops.sum(x as Tensor),
    bytes: 4e6,
    // The terms cancel: the sum is a thousandth of their size.
    tolerance: 1e-4,
  },
];
