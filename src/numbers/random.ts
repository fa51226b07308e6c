/**
 * Seeded random numbers that are the same on every host: Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw:
 * "Parallel random numbers: as easy as 1, 2, 3", SC 2011), a pure function of key and counter made of 32-bit
 * add, rotate and xor only, so a shader computes the same words. `Random` is a stream of such words. Not for cryptography.
 */
import { ValueError } from "../validation/errors.ts";
import { cosSin2Pi, logOfFraction } from "./math-exact.ts";

/** Skein's key-schedule parity word. */
const PARITY = 0x1bd11bda;
const TO_UNIT = 2 ** -24;
const TWO_32 = 2 ** 32;

/** Writes the two words for key (k0, k1) and counter (c0, c1) to out[offset], out[offset + 1]. Allocates nothing. */
export function threefry2x32Into(
  out: Uint32Array,
  offset: number,
  k0: number,
  k1: number,
  c0: number,
  c1: number,
): void {
  const k2 = k0 ^ k1 ^ PARITY;
  let x = (c0 + k0) | 0;
  let y = (c1 + k1) | 0;
  // Five groups of four rounds; the rotations alternate between two sets and the key goes in after each group.
  for (let group = 1; group <= 5; group++) {
    if (group & 1) {
      x = (x + y) | 0;
      y = ((y << 13) | (y >>> 19)) ^ x;
      x = (x + y) | 0;
      y = ((y << 15) | (y >>> 17)) ^ x;
      x = (x + y) | 0;
      y = ((y << 26) | (y >>> 6)) ^ x;
      x = (x + y) | 0;
      y = ((y << 6) | (y >>> 26)) ^ x;
    } else {
      x = (x + y) | 0;
      y = ((y << 17) | (y >>> 15)) ^ x;
      x = (x + y) | 0;
      y = ((y << 29) | (y >>> 3)) ^ x;
      x = (x + y) | 0;
      y = ((y << 16) | (y >>> 16)) ^ x;
      x = (x + y) | 0;
      y = ((y << 24) | (y >>> 8)) ^ x;
    }
    // Words (k1, k2), (k2, k0), (k0, k1), (k1, k2), (k2, k0), the second plus the number of the group.
    const turn = group % 3;
    x = (x + (turn === 0 ? k0 : turn === 1 ? k1 : k2)) | 0;
    y = (y + (turn === 0 ? k1 : turn === 1 ? k2 : k0) + group) | 0;
  }
  out[offset] = x;
  out[offset + 1] = y;
}

/** The two unsigned 32-bit words for key (k0, k1) and counter (c0, c1). */
export function threefry2x32(k0: number, k1: number, c0: number, c1: number): [number, number] {
  const out = new Uint32Array(2);
  threefry2x32Into(out, 0, k0, k1, c0, c1);
  return [out[0] as number, out[1] as number];
}

/** Converts a word to a number in [0, 1): its upper 24 bits, exact in float32. In WGSL: `f32(word >> 8u) * 0x1p-24`. */
export function uniformFromU32(word: number): number {
  return (word >>> 8) * TO_UNIT;
}

/** A seed as a key: low 32 bits, high 21 bits. Throws ValueError unless it is a whole number from 0 to 2^53 - 1. */
export function keyFromSeed(seed: number): [k0: number, k1: number] {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ValueError(`random: the seed must be a whole number from 0 to 2^53 - 1, got ${seed}`);
  }
  return [seed >>> 0, Math.floor(seed / TWO_32)];
}

/** Uniform in [low, high), or normal with mean and standard deviation. */
export type Distribution =
  | { readonly uniform: readonly [low: number, high: number] }
  | { readonly normal: readonly [mean: number, standardDeviation: number] };

/** Draws `count` numbers, rounded to float32. */
export function draw(random: Random, distribution: Distribution, count: number): Float32Array {
  const next =
    "uniform" in distribution
      ? () => random.uniform(...distribution.uniform)
      : () => random.normal(...distribution.normal);
  return Float32Array.from({ length: count }, next);
}

/** State of a stream as plain numbers, as a checkpoint stores it. */
export interface RandomState {
  readonly key: readonly [number, number];
  readonly stream: number;
  /** Number of words drawn so far. */
  readonly drawn: number;
}

/**
 * A stream of words: word w of stream s is component w & 1 of Threefry at counter (w >> 1, s). Streams of one seed
 * are independent, so every purpose (weights of one layer, one sample) can have its own stream number. A stream repeats
 * after 2^33 words.
 */
export class Random {
  readonly #k0: number;
  readonly #k1: number;
  readonly #stream: number;
  readonly #pair = new Uint32Array(2);
  #drawn = 0;

  constructor(seed: number | readonly [k0: number, k1: number], stream = 0) {
    const [k0, k1] = Array.isArray(seed) ? (seed as readonly [number, number]) : keyFromSeed(seed as number);
    this.#k0 = k0 >>> 0;
    this.#k1 = k1 >>> 0;
    this.#stream = stream >>> 0;
  }

  static fromState(state: RandomState): Random {
    const random = new Random(state.key, state.stream);
    if (!Number.isSafeInteger(state.drawn) || state.drawn < 0) {
      throw new ValueError(`random: state.drawn must be a whole number of at least 0, got ${state.drawn}`);
    }
    random.#drawn = state.drawn;
    if (state.drawn % 2) random.#drawPair();
    return random;
  }

  state(): RandomState {
    return { key: [this.#k0, this.#k1], stream: this.#stream, drawn: this.#drawn };
  }

  #drawPair(): void {
    const block = Math.floor(this.#drawn / 2) >>> 0;
    threefry2x32Into(this.#pair, 0, this.#k0, this.#k1, block, this.#stream);
  }

  /** The next word, 0 .. 2^32 - 1. */
  u32(): number {
    const component = this.#drawn % 2;
    if (component === 0) this.#drawPair();
    this.#drawn++;
    return this.#pair[component] as number;
  }

  /** Uniform in [low, high), in steps of 2^-24 of the width. */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * uniformFromU32(this.u32());
  }

  /**
   * Normal, by Box-Muller from two words. The sine branch is dropped, so that every call takes the same two words. Uses
   * only correctly rounded arithmetic, so engines agree to the last bit. At most 5.8 standard deviations from the mean.
   */
  normal(mean = 0, standardDeviation = 1): number {
    const u = (this.u32() >>> 8) + 1; // 1 .. 2^24, so the logarithm is finite
    const angle = uniformFromU32(this.u32());
    const radius = Math.sqrt(-2 * logOfFraction(u));
    return mean + standardDeviation * radius * cosSin2Pi(angle)[0];
  }

  /** A whole number in [0, n), all equally likely: words that would favour small numbers are drawn again. */
  below(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > TWO_32) {
      throw new ValueError(`random: below(n) needs a whole number from 1 to 2^32, got ${n}`);
    }
    const limit = TWO_32 - (TWO_32 % n);
    let word = this.u32();
    while (word >= limit) word = this.u32();
    return word % n;
  }

  /** 0 .. n - 1 in random order (Fisher-Yates). For an order that takes no memory see `permuteIndex`. */
  permutation(n: number): Uint32Array {
    if (!Number.isInteger(n) || n < 0 || n > TWO_32) {
      throw new ValueError(`random: permutation(n) needs a whole number from 0 to 2^32, got ${n}`);
    }
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const kept = order[i] as number;
      order[i] = order[j] as number;
      order[j] = kept;
    }
    return order;
  }
}
