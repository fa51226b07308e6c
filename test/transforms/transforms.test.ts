/** Transforms of batches: what they do in training and evaluation, by themselves and together, on both backends. */
import { describe, expect, it } from "vitest";
import { type Shape, sizeOf } from "../../src/graph/spec.ts";
import { constant, input } from "../../src/graph/tensor.ts";
import { build } from "../../src/nn/build-mode.ts";
import { Random } from "../../src/numbers/random.ts";
import { RandomSource } from "../../src/ops/random/random.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import * as t from "../../src/transforms/index.ts";
import { betaQuantiles } from "../../src/transforms/mixing.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";

const random = new Random(11);
const noise = (shape: Shape) => Float32Array.from({ length: sizeOf(shape) }, () => random.uniform(-1, 1));

interface Applied {
  readonly x: number[];
  readonly target: number[];
  readonly shape: Shape;
  readonly targetShape: Shape;
  readonly dispatches: number;
}

interface Given {
  readonly data: Float32Array;
  readonly shape: Shape;
  /** Class numbers; default 0, 1, 2 … of ten. */
  readonly labels?: readonly number[];
}

async function apply(
  transform: t.Transform,
  { data, shape, labels = Array.from({ length: shape[0]! }, (_, n) => n % 10) }: Given,
  { training = true, step = 3, backend = new CpuBackend() as Backend } = {},
): Promise<Applied> {
  const [counter, key] = [input([1], "u32"), input([2], "u32")];
  const mode = training ? { training, random: new RandomSource(counter, key) } : { training };
  const batch = {
    x: constant(data, shape),
    target: constant(Int32Array.from(labels)),
    weights: constant(new Float32Array(labels.length).fill(1)),
    classes: 10,
  };
  const { x, target } = build(mode, () => transform.apply(batch)).result;
  const program = await backend.compile({ outputs: [x, target] });
  if (backend.holds(counter)) {
    backend.write(counter, Uint32Array.of(step));
    backend.write(key, Uint32Array.of(9, 0));
  }
  program.run();
  return {
    x: Array.from(await program.read(x)),
    target: Array.from(await program.read(target)),
    shape: x.shape,
    targetShape: target.shape,
    dispatches: program.describe().dispatches,
  };
}

const images = (shape: Shape): Given => ({ data: noise(shape), shape });
const rowsOf = ({ x, shape }: Applied, sample: number): number[][] => {
  const [, , H, W] = shape as [number, number, number, number];
  return Array.from({ length: H }, (_, r) => x.slice((sample * H + r) * W, (sample * H + r + 1) * W));
};

describe("without chance, in evaluation as in training", () => {
  const square: Given = { data: Float32Array.of(1, 2, 3, 4), shape: [1, 1, 2, 2] };
  it.each([true, false])("training %s", async (training) => {
    const rows = async (transform: t.Transform, given = square) =>
      rowsOf(await apply(transform, given, { training }), 0);
    expect(await rows(t.pad([1, 0]))).toEqual([
      [0, 1, 2, 0],
      [0, 3, 4, 0],
    ]);
    expect(await rows(t.pad([0, 1, 2, 0], { value: 7 }))).toEqual([
      [7, 7, 7, 7],
      [1, 2, 7, 7],
      [3, 4, 7, 7],
    ]);
    expect(await rows(t.centerCrop(1))).toEqual([[1]]);
    expect(await rows(t.centerCrop([4, 1]))).toEqual([[0], [1], [3], [0]]);
    expect(await rows(t.resize(4, { interpolation: "nearest" }))).toEqual([
      [1, 1, 2, 2],
      [1, 1, 2, 2],
      [3, 3, 4, 4],
      [3, 3, 4, 4],
    ]);
    expect(await rows(t.resize([2, 4]))).toEqual([
      [1, 1.25, 1.75, 2],
      [3, 3.25, 3.75, 4],
    ]);
    expect(await rows(t.normalize(2, 4))).toEqual([
      [-0.25, 0],
      [0.25, 0.5],
    ]);
  });
  it("a resize to one number keeps the shape of the picture", async () => {
    const { shape } = await apply(t.resize(32), images([2, 3, 28, 56]));
    expect(shape).toEqual([2, 3, 32, 64]);
  });
  it("normalize takes a mean and a deviation per channel", async () => {
    const given = { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [1, 3, 1, 2] };
    expect((await apply(t.normalize([1, 3, 5], [1, 2, 0.5]), given)).x).toEqual([0, 1, 0, 0.5, 0, 2]);
  });
});

describe("random, in training only", () => {
  const given = images([16, 2, 6, 7]);
  const all: readonly [string, t.Transform][] = [
    ["crop", t.randomCrop([6, 7], { padding: 2 })],
    ["horizontal flip", t.randomHorizontalFlip()],
    ["vertical flip", t.randomVerticalFlip()],
    ["shift", t.randomShift(2, { fill: 1 })],
    ["rotation", t.randomRotation(30)],
    ["nearest rotation", t.randomRotation([0, 90], { interpolation: "nearest", fill: -1 })],
    ["affine", t.randomAffine({ degrees: 10, translate: [0.2, 0.2], scale: [0.8, 1.2], shear: 10 })],
    ["cutout", t.cutout(3)],
    ["mixup", t.mixup(0.4)],
  ];
  it.each(all)(
    "%s: GPU as CPU, another at every step, the same again, nothing in evaluation",
    async (_, transform) => {
      const cpu = await apply(transform, given);
      const gpu = await apply(transform, given, { backend: await gpuBackend() });
      expect(gpu.shape).toEqual(given.shape);
      const close = { atol: 1e-6, rtol: 1e-6 };
      expectClose("x", Float32Array.from(gpu.x), Float32Array.from(cpu.x), cpu.shape, close);
      expectClose(
        "target",
        Float32Array.from(gpu.target),
        Float32Array.from(cpu.target),
        cpu.targetShape,
        close,
      );
      expect((await apply(transform, given)).x).toEqual(cpu.x);
      expect((await apply(transform, given, { step: 4 })).x).not.toEqual(cpu.x);
      expect((await apply(transform, given, { training: false })).x).toEqual(Array.from(given.data));
    },
  );

  it("crops hold parts of the padded image, a part of its own for every sample, the centre in evaluation", async () => {
    const shape = [200, 1, 3, 3];
    const one = { data: Float32Array.from({ length: sizeOf(shape) }, (_, i) => 1 + (i % 9)), shape };
    const crop = t.randomCrop(2, { padding: 1 });
    const seen = new Map<string, number>();
    const applied = await apply(crop, one);
    for (let n = 0; n < 200; n++) {
      const rows = JSON.stringify(rowsOf(applied, n));
      seen.set(rows, (seen.get(rows) ?? 0) + 1);
    }
    const padded = (r: number, c: number) => (r < 1 || r > 3 || c < 1 || c > 3 ? 0 : 3 * (r - 1) + c);
    const parts = [0, 1, 2, 3].flatMap((r) =>
      [0, 1, 2, 3].map((c) => JSON.stringify([0, 1].map((i) => [0, 1].map((j) => padded(r + i, c + j))))),
    );
    expect([...seen.keys()].sort()).toEqual(parts.sort());
    expect(rowsOf(await apply(crop, one, { training: false }), 7)).toEqual([
      [1, 2],
      [4, 5],
    ]);
  });

  it("cutout takes one square of each sample, in all channels, cut off at the edge", async () => {
    const shape = [300, 2, 5, 6];
    const ones = { data: new Float32Array(sizeOf(shape)).fill(1), shape };
    const { x } = await apply(t.cutout(2, { fill: -1 }), ones);
    const sizes = new Set<number>();
    const corners = new Set<number>();
    for (let n = 0; n < 300; n++) {
      const [first, second] = [0, 1].map((c) => x.slice((n * 2 + c) * 30, (n * 2 + c + 1) * 30)) as [
        number[],
        number[],
      ];
      expect(second).toEqual(first);
      const places = first.flatMap((v, i) => (v === -1 ? [i] : []));
      const [top, left] = [Math.floor(places[0]! / 6), Math.min(...places.map((i) => i % 6))];
      const [bottom, right] = [Math.floor(places.at(-1)! / 6), Math.max(...places.map((i) => i % 6))];
      expect(places.length).toBe((bottom - top + 1) * (right - left + 1));
      sizes.add(places.length);
      corners.add(places[0]!);
    }
    expect(sizes).toEqual(new Set([1, 2, 4]));
    // Squares around 5 x 6 centres begin above or left of the image, or within.
    expect(corners.size).toBe(20);
  });
});

describe("together", () => {
  const given = images([8, 1, 12, 12]);
  it("crop, flip, shift, rotation and affine are one map: two dispatches", async () => {
    const chain = t.compose(
      t.compose(t.randomCrop(12, { padding: 2 }), t.randomHorizontalFlip()),
      t.randomShift(1),
      t.randomRotation(10),
      t.randomAffine({ scale: [0.9, 1.1] }),
    );
    const { dispatches } = await apply(chain, given, { backend: await gpuBackend() });
    const { dispatches: none } = await apply(t.compose(), given, { backend: await gpuBackend() });
    expect(dispatches - none).toBeLessThanOrEqual(2);
  });
  it("pixels stay pixels through crops, flips and shifts", async () => {
    const chain = t.compose(t.randomCrop(12, { padding: 3 }), t.randomHorizontalFlip(), t.randomShift(2));
    const values = new Set([0, ...given.data]);
    expect((await apply(chain, given)).x.filter((v) => !values.has(v))).toEqual([]);
  });
  it("maps of other fills or neighbours stay apart, and what lies between is in order", async () => {
    const chain = t.compose(
      t.randomShift([3, 0], { fill: 5 }),
      t.normalize(5, 1),
      t.randomShift([0, 3], { fill: 9 }),
      t.pad(1, { value: 4 }),
      t.centerCrop(12),
    );
    const { x } = await apply(chain, { data: new Float32Array(8 * 144).fill(6), shape: [8, 1, 12, 12] });
    expect(new Set(x)).toEqual(new Set([1, 0, 9]));
  });
  it("evaluation crops the centre step by step", async () => {
    const chain = t.compose(t.randomCrop(10), t.randomHorizontalFlip(), t.randomCrop([8, 6]));
    const { shape } = await apply(chain, given, { training: false });
    expect(shape).toEqual([8, 1, 8, 6]);
  });
});

describe("mixup", () => {
  it("mixes x and probabilities with the neighbour by one share", async () => {
    const shape = [5, 4];
    const data = noise(shape);
    const labels = [3, 1, 1, 0, 9];
    const { x, target, targetShape } = await apply(t.mixup(2), { data, shape, labels });
    expect(targetShape).toEqual([5, 10]);
    const share = target[3]!;
    expect(share).toBeGreaterThan(0);
    expect(share).toBeLessThan(1);
    labels.forEach((label, n) => {
      const before = (n + 4) % 5;
      const row = new Array<number>(10).fill(0);
      row[label]! += share;
      row[labels[before]!]! += 1 - share;
      expectClose(
        "target",
        Float32Array.from(target.slice(10 * n, 10 * n + 10)),
        Float32Array.from(row),
        [10],
      );
      const mixed = Float32Array.from(
        [0, 1, 2, 3],
        (j) => share * data[4 * n + j]! + (1 - share) * data[4 * before + j]!,
      );
      expectClose("x", Float32Array.from(x.slice(4 * n, 4 * n + 4)), mixed, [4]);
    });
  });
  it("gives probabilities in evaluation too", async () => {
    const { target } = await apply(t.mixup(), images([3, 2]), { training: false });
    expect(target).toEqual(
      [0, 1, 2].flatMap((label) => Array.from({ length: 10 }, (_, c) => Number(c === label))),
    );
  });
  it.each([0.1, 0.4, 1, 3])("shares follow Beta(%d, same): mean, variance, order", (alpha) => {
    const values = betaQuantiles(alpha);
    const mean = values.reduce((sum, v) => sum + v) / values.length;
    const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
    expect(mean).toBeCloseTo(0.5, 9);
    expect(variance).toBeCloseTo(1 / (4 * (2 * alpha + 1)), 4);
    expect(values.every((v, i) => v >= 0 && v <= 1 && (i === 0 || v >= values[i - 1]!))).toBe(true);
    // Beta(1, 1) is uniform.
    if (alpha !== 1) return;
    const furthest = Math.max(...values.map((v, i) => Math.abs(v - (i + 0.5) / values.length)));
    expect(furthest).toBeLessThan(1e-6);
  });
});

describe("refuses", () => {
  const flat: Given = { data: new Float32Array(12), shape: [3, 4] };
  it.each([
    ["randomCrop", t.randomCrop(2)],
    ["randomRotation", t.randomRotation(5)],
    ["pad", t.pad(1)],
    ["cutout", t.cutout(1)],
    ["resize", t.resize(2)],
  ] as const)("%s of what is no image", async (name, transform) => {
    await expect(apply(transform, flat)).rejects.toThrow(
      new RegExp(`${name}: its input, images, must be f32 of rank 4`),
    );
  });
  it("crops larger than the image", async () => {
    await expect(apply(t.randomCrop(9, { padding: 1 }), images([1, 1, 6, 12]))).rejects.toThrow(
      /images of 6 x 12 with 1 around them have no part of 9 x 9/,
    );
  });
  it("numbers of channels that don't match", async () => {
    await expect(apply(t.normalize([1, 2], 1), images([1, 3, 2, 2]))).rejects.toThrow(
      /one number or 3, one per channel, got 2/,
    );
  });
  const numbers: readonly [string, () => t.Transform, RegExp][] = [
    ["a chance", () => t.randomHorizontalFlip(2), /randomHorizontalFlip: p must be in \[0, 1\], got 2/],
    ["half a pixel", () => t.randomShift(0.5), /randomShift: maxPixels must be a whole number/],
    [
      "a deviation of 0",
      () => t.normalize(0, [1, 0]),
      /normalize: needs finite means and deviations above 0/,
    ],
    ["a share", () => t.randomAffine({ translate: [0, 2] }), /translate must be shares within \[0, 1\]/],
    ["a scale of 0", () => t.randomAffine({ scale: [0, 1] }), /randomAffine: scale must lie within/],
    ["an angle", () => t.randomRotation(Number.NaN), /randomRotation: degrees must lie within/],
    ["alpha", () => t.mixup(0), /mixup: alpha must be above 0, got 0/],
    ["a size", () => t.resize([3, 0]), /resize: size must be a whole number of at least 1, got 0/],
  ];
  it.each(numbers)("%s that can't be", (_, make, message) => {
    expect(make).toThrow(message);
  });
});
