/**
 * A random order of 0 .. n - 1 that takes no memory: a keyed bijection, computed one index at a time. A balanced
 * Feistel network permutes the smallest domain of 4^h >= n values; a result outside [0, n) is permuted again until it is
 * inside (cycle walking, fewer than four times on average). Uses only 32-bit operations, so the gather shader computes
 * the same order.
 */
import { ValueError } from "../validation/errors.ts";

/** Odd, 2^32 / golden ratio. */
const GOLDEN = 0x9e3779b9;
const ROUNDS = 8;

/** A 32-bit bijection with good mixing: "lowbias32", https://nullprogram.com/blog/2018/07/31/ . */
export function lowbias32(word: number): number {
  let x = word;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Half the number of bits of the domain, that is the smallest h >= 1 with 4^h >= n. In WGSL: `firstLeadingBit(n - 1)`. */
export function feistelHalfBits(n: number): number {
  const bits = 32 - Math.clz32(n - 1);
  return Math.max(1, (bits + 1) >>> 1);
}

/**
 * Element i of the order of 0 .. n - 1 that the key (k0, k1) selects. For a new order per epoch, take the key from
 * threefry2x32(seed0, seed1, epoch, purpose) or simply (seed, epoch). Throws ValueError unless n is a whole number from 1
 * to 2^32 - 1 and i is in [0, n).
 */
export function permuteIndex(i: number, n: number, k0: number, k1: number): number {
  if (!Number.isInteger(n) || n < 1 || n > 0xffffffff) {
    throw new ValueError(`permuteIndex: n must be a whole number from 1 to 2^32 - 1, got ${n}`);
  }
  if (!Number.isInteger(i) || i < 0 || i >= n) {
    throw new ValueError(`permuteIndex: the index must be a whole number in [0, ${n}), got ${i}`);
  }
  const half = feistelHalfBits(n);
  const mask = (1 << half) - 1;
  // Round key r is first + r * step: both key words reach both, so neighbouring keys give unrelated orders.
  const first = lowbias32(k0 ^ lowbias32(k1 + GOLDEN));
  const step = lowbias32(k1 ^ lowbias32(first + GOLDEN)) | 1;
  let value = i;
  do {
    let left = value >>> half;
    let right = value & mask;
    let roundKey = first;
    for (let round = 0; round < ROUNDS; round++) {
      const mixed = left ^ (lowbias32(right + roundKey) & mask);
      left = right;
      right = mixed;
      roundKey = (roundKey + step) >>> 0;
    }
    value = ((left << half) | right) >>> 0;
  } while (value >= n);
  return value;
}

/** The sample at position `place` (0 .. count - 1) of `epoch`, or of a shard visit, in the shuffled order of `key`. */
export function sampleOrder(
  place: number,
  count: number,
  epoch: number,
  key: readonly [number, number],
): number {
  return permuteIndex(place, count, key[0], (key[1] ^ lowbias32(epoch)) >>> 0);
}
