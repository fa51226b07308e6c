/** The memory-free shuffle: bijective, spread evenly, unrelated between neighbouring keys, the same on every host. */
import { describe, expect, test } from "vitest";
import { feistelHalfBits, lowbias32, permuteIndex } from "../src/numbers/permutation.ts";
import { ValueError } from "../src/validation/errors.ts";

const orderOf = (n: number, k0: number, k1: number) =>
  Uint32Array.from({ length: n }, (_, i) => permuteIndex(i, n, k0, k1));

/** Pearson's correlation of two equally long lists. */
function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const n = a.length;
  let [sa, sb, saa, sbb, sab] = [0, 0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const x = a[i] as number;
    const y = b[i] as number;
    sa += x;
    sb += y;
    saa += x * x;
    sbb += y * y;
    sab += x * y;
  }
  return (sab - (sa * sb) / n) / Math.sqrt((saa - (sa * sa) / n) * (sbb - (sb * sb) / n));
}

/** Chi-squared of counts against equal shares, per degree of freedom: near 1 when even. */
function chiSquaredPerFreedom(counts: number[]): number {
  const expected = counts.reduce((a, b) => a + b, 0) / counts.length;
  return counts.reduce((sum, c) => sum + (c - expected) ** 2 / expected, 0) / (counts.length - 1);
}

describe("permuteIndex", () => {
  test.each([1, 2, 3, 4, 5, 7, 16, 17, 64, 65, 1000, 60_000])(
    "is a bijection on 0 .. n - 1 for n = %i",
    (n) => {
      for (const [k0, k1] of [
        [0, 0],
        [1, 2],
        [0xffffffff, 0xdeadbeef],
      ] as const) {
        const seen = new Uint8Array(n);
        for (const value of orderOf(n, k0, k1)) seen[value] = 1;
        expect(seen.every((hit) => hit === 1)).toBe(true);
      }
    },
  );

  test("fixed values: all hosts and the shader agree", () => {
    expect(lowbias32(1)).toBe(1753845952);
    expect([...orderOf(7, 1, 2)]).toEqual([1, 3, 6, 5, 0, 4, 2]);
    expect([...orderOf(60_000, 1, 2).subarray(0, 8)]).toEqual([
      45123, 41490, 18502, 50830, 54373, 8459, 20289, 731,
    ]);
    expect(permuteIndex(4_000_000_000, 0xffffffff, 3, 4)).toBe(3720537364);
  });

  test("half the bits of the domain", () => {
    expect([1, 2, 4, 5, 16, 17, 60_000, 65_536, 65_537].map(feistelHalfBits)).toEqual([
      1, 1, 1, 2, 2, 3, 8, 8, 9,
    ]);
  });

  test("position and value, neighbours, and orders of neighbouring keys are uncorrelated", () => {
    const n = 60_000;
    const identity = Uint32Array.from({ length: n }, (_, i) => i);
    for (let epoch = 0; epoch < 8; epoch++) {
      const order = orderOf(n, 1, epoch);
      const next = orderOf(n, 1, epoch + 1);
      const otherSeed = orderOf(n, 2, epoch);
      // 1 / sqrt(60000) is 0.004; five times that.
      expect(Math.abs(correlation(identity, order))).toBeLessThan(0.02);
      expect(Math.abs(correlation(order.subarray(1), order.subarray(0, n - 1)))).toBeLessThan(0.02);
      expect(Math.abs(correlation(order, next))).toBeLessThan(0.02);
      expect(Math.abs(correlation(order, otherSeed))).toBeLessThan(0.02);
    }
  });

  test.each([2, 3, 5, 7, 10, 64, 100])(
    "over many keys index 0 lands everywhere equally often, n = %i",
    (n) => {
      const counts = new Array<number>(n).fill(0);
      for (let key = 0; key < 20_000; key++) {
        const value = permuteIndex(0, n, 1, key);
        counts[value] = (counts[value] as number) + 1;
      }
      expect(chiSquaredPerFreedom(counts)).toBeLessThan(n < 10 ? 6 : 2);
    },
  );

  test("over many keys every order of 4 comes up about equally often", () => {
    const counts = new Map<string, number>();
    for (let key = 0; key < 24_000; key++) {
      const order = orderOf(4, key, 5).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    expect(chiSquaredPerFreedom([...counts.values()])).toBeLessThan(2.5);
  });

  test("an order has about as many fixed points and ascents as a random one", () => {
    let fixedPoints = 0;
    let ascents = 0;
    for (let key = 0; key < 200; key++) {
      const order = orderOf(1000, key, 0);
      order.forEach((value, i) => {
        if (value === i) fixedPoints++;
        if (i > 0 && value > (order[i - 1] as number)) ascents++;
      });
    }
    expect(Math.abs(fixedPoints / 200 - 1)).toBeLessThan(0.35);
    expect(Math.abs(ascents / 200 / 999 - 0.5)).toBeLessThan(0.01);
  });

  test("refuses indices and sizes outside their range", () => {
    expect(() => permuteIndex(0, 0, 1, 2)).toThrow(ValueError);
    expect(() => permuteIndex(7, 7, 1, 2)).toThrow(ValueError);
    expect(() => permuteIndex(0.5, 7, 1, 2)).toThrow(ValueError);
    expect(() => permuteIndex(0, 2 ** 32, 1, 2)).toThrow(ValueError);
  });
});
