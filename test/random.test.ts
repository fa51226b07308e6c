/** Known answers, shared fixed values and plain statistics of the generator; they must hold on every host. */
import { describe, expect, test } from "vitest";
import { cosSin2Pi, logOfFraction } from "../src/numbers/math-exact.ts";
import {
  keyFromSeed,
  Random,
  threefry2x32,
  threefry2x32Into,
  uniformFromU32,
} from "../src/numbers/random.ts";
import { ValueError } from "../src/validation/errors.ts";

/** FNV-1a over 32-bit words: one number that all hosts must agree on. */
function hashOf(words: Iterable<number>): string {
  let h = 0x811c9dc5;
  for (const word of words) h = Math.imul(h ^ (word >>> 0), 0x01000193) ^ (h >>> 15);
  return (h >>> 0).toString(16).padStart(8, "0");
}

/** The bits of a float64 as two words. */
function bitsOf(values: number[]): Uint32Array {
  return new Uint32Array(Float64Array.from(values).buffer);
}

describe("threefry2x32", () => {
  // Random123's kat_vectors, lines "threefry2x32 20".
  const known: [k0: number, k1: number, c0: number, c1: number, x: number, y: number][] = [
    [0, 0, 0, 0, 0x6b200159, 0x99ba4efe],
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x1cb996fc, 0xbb002be7],
    [0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3, 0xc4923a9c, 0x483df7a0],
  ];
  test.each(known)("key %i %i counter %i %i", (k0, k1, c0, c1, x, y) => {
    expect(threefry2x32(k0, k1, c0, c1)).toEqual([x, y]);
    const out = new Uint32Array(4);
    threefry2x32Into(out, 1, k0, k1, c0, c1);
    expect([...out]).toEqual([0, x, y, 0]);
  });
});

describe("Random", () => {
  test("words are the blocks of the counter, in order", () => {
    const random = new Random(2 ** 40 + 7, 3);
    const words = Array.from({ length: 5 }, () => random.u32());
    const [k0, k1] = keyFromSeed(2 ** 40 + 7);
    expect([k0, k1]).toEqual([7, 256]);
    const expected = [0, 1, 2].flatMap((block) => threefry2x32(k0, k1, block, 3)).slice(0, 5);
    expect(words).toEqual(expected);
  });

  test("fixed values: all hosts agree to the last bit", () => {
    const random = new Random(1);
    expect(hashOf(Array.from({ length: 1000 }, () => random.u32()))).toBe("4af210ba");
    expect(hashOf(bitsOf(Array.from({ length: 1000 }, () => random.uniform(-1, 3))))).toBe("703c9081");
    expect(hashOf(bitsOf(Array.from({ length: 1000 }, () => random.normal(1, 2))))).toBe("84b59a49");
    expect(hashOf(random.permutation(1000))).toBe("fbd9b029");
  });

  test("a word becomes a fraction of 24 bits below 1", () => {
    expect(uniformFromU32(0)).toBe(0);
    expect(uniformFromU32(255)).toBe(0);
    expect(uniformFromU32(0x80000000)).toBe(0.5);
    expect(uniformFromU32(0xffffffff)).toBe(1 - 2 ** -24);
    expect(Math.fround(uniformFromU32(0xffffffff))).toBe(1 - 2 ** -24);
  });

  test("uniform: mean and variance", () => {
    const random = new Random(5);
    const n = 100_000;
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < n; i++) {
      const u = random.uniform();
      sum += u;
      squares += u * u;
    }
    expect(Math.abs(sum / n - 0.5)).toBeLessThan(0.004);
    expect(Math.abs(squares / n - 1 / 3)).toBeLessThan(0.004);
  });

  test("normal: the first four moments", () => {
    const random = new Random(6);
    const n = 100_000;
    const moments = [0, 0, 0, 0];
    for (let i = 0; i < n; i++) {
      const z = random.normal();
      for (let k = 0; k < 4; k++) moments[k] = (moments[k] as number) + z ** (k + 1) / n;
    }
    expect(moments[0]).toBeCloseTo(0, 1);
    expect(moments[1]).toBeCloseTo(1, 1);
    expect(moments[2]).toBeCloseTo(0, 1);
    expect(Math.abs((moments[3] as number) - 3)).toBeLessThan(0.12);
  });

  test("below(n): in range, every value about equally often", () => {
    const random = new Random(7);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) {
      const value = random.below(10);
      counts[value] = (counts[value] as number) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    expect(random.below(1)).toBe(0);
    expect(() => random.below(0)).toThrow(ValueError);
    expect(() => random.below(2.5)).toThrow(ValueError);
  });

  test("permutation holds every index once", () => {
    const order = new Random(8).permutation(257);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 257 }, (_, i) => i));
    expect(new Random(8).permutation(0)).toHaveLength(0);
  });

  test.each([0, 1, 2, 7])("resumes from its state after %i words", (drawn) => {
    const random = new Random(9, 4);
    for (let i = 0; i < drawn; i++) random.u32();
    const copy = Random.fromState(JSON.parse(JSON.stringify(random.state())));
    for (let i = 0; i < 5; i++) expect(copy.u32()).toBe(random.u32());
  });

  test.each([-1, 0.5, Number.NaN, 2 ** 53, undefined, null, "7", {}])("refuses the seed %s", (seed) => {
    expect(() => new Random(seed as number)).toThrow(ValueError);
  });
});

describe("exact functions", () => {
  test("logarithm of a fraction", () => {
    for (const m of [1, 2, 3, 1000, 2 ** 23, 11_863_283, 2 ** 24 - 1, 2 ** 24]) {
      expect(logOfFraction(m)).toBeCloseTo(Math.log(m / 2 ** 24), 13);
    }
  });

  test("cosine and sine of turns", () => {
    for (let i = -64; i <= 64; i++) {
      const turns = i / 19;
      const [cos, sin] = cosSin2Pi(turns);
      expect(cos).toBeCloseTo(Math.cos(2 * Math.PI * turns), 13);
      expect(sin).toBeCloseTo(Math.sin(2 * Math.PI * turns), 13);
    }
  });
});
