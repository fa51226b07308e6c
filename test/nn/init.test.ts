/** Initialisers: fixed values, bounds and spreads of PyTorch's formulas, the same numbers on every backend. */
import { describe, expect, it } from "vitest";
import { type Shape, sizeOf } from "../../src/graph/spec.ts";
import { input, parameter } from "../../src/graph/tensor.ts";
import * as init from "../../src/nn/init.ts";
import { Random } from "../../src/numbers/random.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";

const draw = (initializer: init.Initializer, shape: Shape, seed = 1, stream = 2): number[] => {
  const initial = initializer(shape);
  if (typeof initial === "number") return Array<number>(sizeOf(shape)).fill(initial);
  return Array.from(typeof initial === "function" ? initial(new Random(seed, stream)) : initial);
};

const spread = (values: readonly number[]) => {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((s, v) => s + (v - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance), most: Math.max(...values.map(Math.abs)) };
};

it("counts fans as PyTorch does", () => {
  expect(init.fans([120, 400])).toEqual({ fanIn: 400, fanOut: 120 });
  expect(init.fans([16, 6, 5, 5])).toEqual({ fanIn: 150, fanOut: 400 });
  expect(init.fans([32, 1, 3, 3])).toEqual({ fanIn: 9, fanOut: 288 });
  expect(init.fans([8, 4, 7])).toEqual({ fanIn: 28, fanOut: 56 });
});

describe("fixed values", () => {
  const cases: readonly (readonly [string, init.Initializer, Shape, readonly number[]])[] = [
    [
      "kaimingUniform",
      init.kaimingUniform(),
      [6, 1, 5, 5],
      [0.18149244785308838, -0.10865888744592667, -0.18034574389457703, -0.06046092510223389],
    ],
    [
      "kaimingNormal",
      init.kaimingNormal(),
      [6, 1, 5, 5],
      [0.011805092915892601, -0.4040447175502777, 0.01686607114970684, 0.19893212616443634],
    ],
    [
      "xavierUniform",
      init.xavierUniform(),
      [10, 84],
      [0.22926631569862366, -0.13726092875003815, -0.22781777381896973, -0.07637592405080795],
    ],
    [
      "xavierNormal",
      init.xavierNormal(),
      [10, 84],
      [0.006088011898100376, -0.2083701640367508, 0.008698012679815292, 0.10259141027927399],
    ],
    ["normal", init.normal(1, 0.5), [3], [1.0208686590194702, 0.2857430875301361, 1.0298153162002563]],
    ["uniform", init.uniform(-0.2, 0.2), [2], [0.18149244785308838, -0.10865888744592667]],
    ["constant", init.constant(0.25), [2], [0.25, 0.25]],
    ["zeros", init.zeros, [1], [0]],
    ["ones", init.ones, [1], [1]],
  ];
  for (const [name, initializer, shape, expected] of cases) {
    it(name, () => expect(draw(initializer, shape).slice(0, expected.length)).toEqual(expected));
  }
});

describe("spread", () => {
  const shape = [64, 32, 3, 3];
  const [fanIn, fanOut] = [32 * 9, 64 * 9];
  const cases: readonly (readonly [string, init.Initializer, "uniform" | "normal", number])[] = [
    ["kaimingUniform", init.kaimingUniform(), "uniform", 1 / Math.sqrt(3 * fanIn)],
    ["kaimingUniform, a = 0", init.kaimingUniform({ a: 0 }), "uniform", Math.sqrt(2 / fanIn)],
    ["kaimingUniform, fanOut", init.kaimingUniform({ mode: "fanOut" }), "uniform", 1 / Math.sqrt(3 * fanOut)],
    ["kaimingNormal", init.kaimingNormal(), "normal", Math.sqrt(2 / fanIn)],
    ["kaimingNormal, a = 1", init.kaimingNormal({ a: 1, mode: "fanOut" }), "normal", Math.sqrt(1 / fanOut)],
    ["xavierUniform", init.xavierUniform(2), "uniform", 2 * Math.sqrt(2 / (fanIn + fanOut))],
    ["xavierNormal", init.xavierNormal(), "normal", Math.sqrt(2 / (fanIn + fanOut))],
  ];
  for (const [name, initializer, kind, expected] of cases) {
    it(name, () => {
      const { mean, deviation, most } = spread(draw(initializer, shape));
      expect(Math.abs(mean)).toBeLessThan((4 * expected) / Math.sqrt(sizeOf(shape)));
      expect(deviation / expected).toBeGreaterThan(0.98);
      expect(deviation / expected).toBeLessThan(1.02);
      if (kind === "uniform") expect(most).toBeLessThanOrEqual(Math.fround(expected * Math.sqrt(3)));
      else expect(most).toBeGreaterThan(3 * expected);
    });
  }
});

it("gives the same numbers on every backend, whatever it ran before, and others for every parameter and seed", async () => {
  const shape = [16, 6, 5, 5];
  const read = async (backend: Backend, seed: number) => {
    const a = parameter(shape, init.kaimingUniform()(shape), "a");
    const b = parameter(shape, init.normal()(shape), "b");
    const x = input([1]);
    await backend.compile({ outputs: [mul(mul(x, b), a)] }, { seed });
    return [Array.from(await backend.read(a)), Array.from(await backend.read(b))];
  };
  for (const backend of [new CpuBackend(), await gpuBackend()]) {
    await read(backend, 1);
    const [a, b] = await read(backend, 7);
    // One stream per drawn leaf, in the order in which they were made.
    expect(a).toEqual(draw(init.kaimingUniform(), shape, 7, 0));
    expect(b).toEqual(draw(init.normal(), shape, 7, 1));
    expect((await read(backend, 8))[0]).not.toEqual(a);
  }
});

describe("refuses", () => {
  it("a vector where fans are needed", () => {
    expect(() => init.kaimingUniform()([5])).toThrow(/init: fans need a weight of rank 2 or more, got \[5\]/);
  });
  it("numbers that are none", () => {
    expect(() => init.normal(0, -1)).toThrow(/init: standardDeviation must be at least 0, got -1/);
    expect(() => init.uniform(1, 0)).toThrow(/init: uniform needs low <= high, got 1 and 0/);
    expect(() => init.constant(Number.NaN)).toThrow(/init: value must be finite, got NaN/);
    expect(() => init.xavierUniform(Number.POSITIVE_INFINITY)([2, 2])).toThrow(/init: gain must be finite/);
  });
});
