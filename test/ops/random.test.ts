/** Random tensors and dropout: kernels against the CPU body, words against Threefry, statistics, gradients. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { input, state, type Tensor } from "../../src/graph/tensor.ts";
import { lowbias32 } from "../../src/numbers/permutation.ts";
import { threefry2x32 } from "../../src/numbers/random.ts";
import { record } from "../../src/ops/data/record.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import {
  bernoulli,
  choice,
  dropout,
  dropout2d,
  normal,
  RandomSource,
  uniform,
} from "../../src/ops/random/random.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";

const sizes = [1, 2, 3, 4, 63, 65, 255, 1024, 4097, 70_001];
const counter = (step: number, key: readonly number[]) =>
  [
    { shape: [1], dtype: "u32", data: [step] },
    { shape: [2], dtype: "u32", data: key },
  ] as const;
const source = (step: Tensor, key: Tensor) => new RandomSource(step, key);

const draws = (make: (size: number, from: RandomSource) => Tensor): OpCase[] =>
  sizes.map((size) => ({
    name: `${size} values`,
    inputs: [...counter(size % 5, [123, 4_000_000_000 + size])],
    build: (step, key) => make(size, source(step!, key!)),
  }));

// Widths that are powers of two: the same bits.
const variants = [{ draw: "long" }, { draw: "short" }];
const exact = { gradients: false, atol: 0, rtol: 0, variants };
checkOp(
  "uniform",
  draws((n, s) => uniform([n], s)),
  exact,
);
checkOp(
  "uniform in [-2, 2)",
  draws((n, s) => uniform([n], s, { low: -2, high: 2 })),
  exact,
);
checkOp(
  "uniform in [-0.3, 0.5)",
  draws((n, s) => uniform([n], s, { low: -0.3, high: 0.5 })),
  {
    gradients: false,
  },
);
checkOp(
  "bernoulli",
  draws((n, s) => bernoulli([n], 0.3, s)),
  exact,
);
checkOp(
  "choice",
  draws((n, s) => choice([n], [5, -2, 0.5], s)),
  exact,
);
// Series of float32 for logarithm and cosine, and a radius of up to 5.8.
checkOp(
  "normal",
  draws((n, s) => normal([n], s)),
  { gradients: false, variants, atol: 3e-6, rtol: 1e-6 },
);
checkOp(
  "normal, mean 3, deviation 0.1",
  draws((n, s) => normal([n], s, { mean: 3, standardDeviation: 0.1 })),
  {
    gradients: false,
  },
);
checkOp(
  "dropout",
  [
    ...sizes.map((size) => ({ size, p: 0.5 })),
    { size: 37, p: 0 },
    { size: 37, p: 1 },
    { size: 300, p: 0.9 },
    { size: 300, p: 0.1 },
  ].map(({ size, p }) => ({
    name: `${size} values, p ${p}`,
    inputs: [{ shape: [size] }, ...counter(7, [1, 2])],
    build: (x, step, key) => dropout(x!, p, source(step!, key!)),
  })),
  { variants: [{ dropout: "long" }, { dropout: "short" }] },
);
checkOp("dropout2d", [
  {
    name: "[3, 5, 4, 7], p 0.4",
    inputs: [{ shape: [3, 5, 4, 7] }, ...counter(7, [1, 2])],
    build: (x, step, key) => dropout2d(x!, 0.4, source(step!, key!)),
  },
]);

const backends: readonly [string, () => Promise<Backend>][] = [
  ["CPU", async () => new CpuBackend()],
  ["GPU", gpuBackend],
];

/** Values of `build`'s tensor at each of `steps`. */
async function values(
  backend: Backend,
  build: (from: RandomSource) => Tensor,
  steps: readonly number[],
  seed: readonly number[] = [1, 0],
): Promise<number[][]> {
  const [step, key] = [input([1], "u32"), input([2], "u32")];
  const y = build(source(step, key));
  const program = await backend.compile({ outputs: [y] });
  backend.write(key, Uint32Array.from(seed));
  const found: number[][] = [];
  for (const at of steps) {
    backend.write(step, Uint32Array.of(at));
    program.run();
    found.push(Array.from(await program.read(y)));
  }
  return found;
}

for (const [name, open] of backends) {
  describe(`draws, ${name}`, () => {
    it("are Threefry's words at (place / 2, step) under the key with the stream", async () => {
      const [k0, k1, stream, step] = [0xdeadbeef, 77, 5, 9];
      const [drawn] = await values(await open(), (s) => uniform([6], s, { stream }), [step], [k0, k1]);
      const expected = [0, 1, 2].flatMap((pair) =>
        threefry2x32((k0 ^ lowbias32(stream + 1)) >>> 0, k1, pair, step).map((w) => (w >>> 8) / 2 ** 24),
      );
      expect(drawn).toEqual(expected);
    });

    it("differ by step, seed and use, and come again", async () => {
      const backend = await open();
      const one = (s: RandomSource) => uniform([8], s);
      const [a, b, again] = await values(backend, one, [0, 1, 0]);
      expect(again).toEqual(a);
      const second = (s: RandomSource) => {
        s.stream();
        return uniform([8], s);
      };
      const others = [
        b,
        ...(await values(backend, one, [0], [2, 0])),
        ...(await values(backend, second, [0])),
      ];
      for (const other of others) expect(other!.some((v) => a!.includes(v))).toBe(false);
    });

    it("have the moments of their distributions", async () => {
      const backend = await open();
      const n = 20_000;
      const moments = async (build: (s: RandomSource) => Tensor) => {
        const [v] = (await values(backend, build, [3])) as [number[]];
        const mean = v.reduce((s, x) => s + x, 0) / n;
        const central = (power: number) => v.reduce((s, x) => s + (x - mean) ** power, 0) / n;
        return [mean, central(2), central(3), central(4)] as const;
      };
      // Limits: five standard errors of each moment at this n.
      const [um, uv] = await moments((s) => uniform([n], s));
      expect(Math.abs(um - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / n));
      expect(Math.abs(uv - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / n));
      const [nm, nv, n3, n4] = await moments((s) => normal([n], s));
      expect(Math.abs(nm)).toBeLessThan(5 * Math.sqrt(1 / n));
      expect(Math.abs(nv - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
      expect(Math.abs(n3)).toBeLessThan(5 * Math.sqrt(15 / n));
      expect(Math.abs(n4 - 3)).toBeLessThan(5 * Math.sqrt(96 / n));
      const [bm] = await moments((s) => bernoulli([n], 0.3, s));
      expect(Math.abs(bm - 0.3)).toBeLessThan(5 * Math.sqrt(0.21 / n));
    });
  });

  describe(`dropout, ${name}`, () => {
    it("zeroes about p of the values, scales the others, and its gradient takes the same mask", async () => {
      const backend = await open();
      const n = 10_000;
      const [x, step, key] = [input([n]), state([1], 4, "u32"), state([2], 9, "u32")];
      const from = source(step, key);
      const y = dropout(dropout(x, 0.2, from), 0.25, from);
      const [dx] = gradients(sum(mul(y, 2)), [x]) as [Tensor];
      const program = await backend.compile({ outputs: [y, dx] });
      backend.write(x, new Float32Array(n).fill(3));
      program.run();
      const [values, slopes] = [await program.read(y), await program.read(dx)];
      const kept = values.filter((v) => v !== 0).length;
      // Two layers, two masks: 0.8 * 0.75 of the values are left.
      expect(Math.abs(kept - 0.6 * n)).toBeLessThan(5 * Math.sqrt(0.24 * n));
      values.forEach((v, i) => {
        if (v !== 0) expect(v).toBeCloseTo(5, 5);
        expect(slopes[i]).toBeCloseTo((v * 2) / 3, 5);
      });
    });

    it("2d keeps or zeroes whole channels", async () => {
      const backend = await open();
      const [x, step, key] = [input([40, 25, 2, 3]), state([1], 4, "u32"), state([2], 9, "u32")];
      const y = dropout2d(x, 0.2, source(step, key));
      const program = await backend.compile({ outputs: [y] });
      backend.write(x, new Float32Array(6000).fill(1));
      program.run();
      const values = await program.read(y);
      let kept = 0;
      for (let channel = 0; channel < 1000; channel++) {
        const own = new Set(values.subarray(channel * 6, channel * 6 + 6));
        expect(own.size).toBe(1);
        expect([0, 1.25]).toContain([...own][0]);
        if (!own.has(0)) kept++;
      }
      expect(Math.abs(kept - 800)).toBeLessThan(5 * Math.sqrt(160));
    });

    it("takes a new mask at every step of one submit", async () => {
      const backend = await open();
      const [x, step, key] = [input([64]), state([1], 0, "u32"), state([2], 9, "u32")];
      const ring = state([20, 2]);
      const kept = sum(dropout(x, 0.5, source(step, key)));
      const program = await backend.compile({ outputs: [], updates: [record(ring, step, [kept])] });
      backend.write(
        x,
        Float32Array.from({ length: 64 }, (_, i) => 2 ** (i % 16)),
      );
      program.run(20);
      const sums = (await backend.read(ring)).filter((_, i) => i % 2 === 0);
      expect(new Set(sums).size).toBeGreaterThan(17);
    });
  });
}

describe("choice", () => {
  it("takes each value equally often", async () => {
    const n = 6000;
    const [drawn] = await values(new CpuBackend(), (s) => choice([n], [5, -2, 0.5], s), [3]);
    for (const value of [5, -2, 0.5]) {
      // Five standard deviations.
      expect(Math.abs(drawn!.filter((v) => v === value).length - n / 3)).toBeLessThan(
        5 * Math.sqrt((n * 2) / 9),
      );
    }
    expect(drawn!.every((v) => v === 5 || v === -2 || v === 0.5)).toBe(true);
  });
  it("refuses to choose among none, too many, or no numbers", () => {
    const from = source(input([1], "u32"), input([2], "u32"));
    expect(() => choice([3], [], from)).toThrow(/choice: needs at least one value/);
    expect(() => choice([3], [1, Number.NaN], from)).toThrow(/all of them finite/);
    expect(() => choice([3], new Array(65537).fill(0), from)).toThrow(/at most 65536 values, got 65537/);
  });
});

describe("refuses", () => {
  const [step, key] = [input([1], "u32"), input([2], "u32")];
  it("chances outside [0, 1] and ranges that are none", () => {
    expect(() => dropout(input([2]), 1.5, source(step, key))).toThrow(
      /dropout: p must be in \[0, 1\], got 1.5/,
    );
    expect(() => bernoulli([2], Number.NaN, source(step, key))).toThrow(/bernoulli: p must be in \[0, 1\]/);
    expect(() => uniform([2], source(step, key), { low: 1, high: 0 })).toThrow(/uniform: needs low <= high/);
    expect(() => normal([2], source(step, key), { standardDeviation: -1 })).toThrow(
      /normal: needs a finite mean/,
    );
  });
  it("steps and keys of another kind", () => {
    expect(() => uniform([2], source(input([1]), key))).toThrow(
      /uniform: step must be u32 of rank 1, got f32/,
    );
    expect(() => dropout(input([2]), 0.5, source(step, input([2])))).toThrow(
      /dropout: key must be u32 of rank 1/,
    );
    expect(() => uniform([2], source(step, key), { stream: -1 })).toThrow(/stream must be a whole number/);
  });
  it("inputs that are no floats", () => {
    expect(() => dropout(input([2], "i32"), 0.5, source(step, key))).toThrow(/dropout: x must be f32/);
    expect(() => dropout2d(input([2]), 0.5, source(step, key))).toThrow(/dropout2d: x must be \[N, C, …\]/);
  });
});
