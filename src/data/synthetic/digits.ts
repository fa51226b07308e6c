/**
 * Generates images that look like handwritten digits: 28x28 grey images like MNIST's, any number, nothing to download.
 * Image i of a seed is a pure function of (seed, i), with the same bytes on every host (see pen-canvas.ts). Every ten
 * images in a row contain each digit once. Training and test images come from different indices.
 */

import { permuteIndex } from "../../numbers/permutation.ts";
import { keyFromSeed, Random } from "../../numbers/random.ts";
import { ValueError } from "../../validation/errors.ts";
import { expectValue } from "../../validation/expect.ts";
import { checkOptions } from "../../validation/options.ts";
import { type Dataset, DIGIT_NAMES, datasetOfClasses } from "../dataset.ts";
import type { TrainTest } from "../published/dataset-source.ts";
import { PenCanvas, SIDE } from "./pen-canvas.ts";
import { PenPath, spread } from "./pen-path.ts";
import { readWritingStyles, type WritingStyle } from "./writing-styles.ts";

const PIXELS = SIDE * SIDE;
/** Most images in a set. Test images start at this index, which no training image has. */
const MOST = 2_000_000_000;

/** Draws images one by one. Reuse a painter for many images. */
export class DigitPainter {
  readonly #key: readonly [number, number];
  readonly #canvas = new PenCanvas();
  readonly #path = new PenPath();
  readonly #styles = readWritingStyles();

  constructor(seed: number) {
    this.#key = keyFromSeed(seed);
  }

  /** The digit that image `index` shows. */
  labelOf(index: number): number {
    const [k0, k1] = this.#key;
    return permuteIndex(index % 10, 10, k0 ^ Math.floor(index / 10), k1);
  }

  /** Draws image `index` (0 .. 2^32 - 1) into out[offset ..] and returns its label. */
  paint(index: number, out: Uint8Array, offset = 0): number {
    const label = this.labelOf(index);
    const random = new Random(this.#key, index);
    this.#path.write(pickStyle(this.#styles[label] ?? [], random), random);
    const radius = 0.8 + 1.7 * random.uniform() * random.uniform();
    this.#path.place(random, radius);
    this.#ink(random, radius, out, offset);
    return label;
  }

  #ink(random: Random, radius: number, out: Uint8Array, offset: number): void {
    const canvas = this.#canvas;
    const { x, y, begins, count } = this.#path;
    const edge = random.uniform(1, 2);
    const ink = random.uniform(235, 330);
    const noise = random.uniform(0, 0.15);
    canvas.clear();
    // The pressure of the pen varies as it moves.
    let r0 = radius;
    for (let i = 0; i < count; i++) {
      const r1 = r0 + 0.25 * (radius + spread(random, 0.8) - r0);
      if (!begins[i]) {
        const [x0, y0] = [x[i - 1] as number, y[i - 1] as number];
        canvas.line(x0, y0, r0, x[i] as number, y[i] as number, r1, edge / 2);
      }
      r0 = r1;
    }
    // Each random word gives the grain of four pixels.
    let word = 0;
    let bytesLeft = 0;
    canvas.develop(out, offset, edge, ink, noise, () => {
      if (bytesLeft === 0) {
        word = random.u32();
        bytesLeft = 4;
      }
      const grain = (word & 0xff) / 256;
      word >>>= 8;
      bytesLeft--;
      return grain;
    });
  }
}

function pickStyle(styles: readonly WritingStyle[], random: Random): WritingStyle {
  let left = random.uniform() * styles.reduce((sum, { weight }) => sum + weight, 0);
  for (const style of styles) {
    left -= style.weight;
    if (left < 0) return style;
  }
  throw new ValueError("synthetic digits: there is no writing style to choose from");
}

export interface SyntheticOptions {
  /** Number of training images; default 60000. */
  readonly train?: number;
  /** Number of test images; default 10000. */
  readonly test?: number;
  /** Default 1. */
  readonly seed?: number;
}

/** Training and test set. The first n images of a larger set are the set of n. */
export function syntheticDigits(options: SyntheticOptions = {}): TrainTest {
  const kinds = { train: "any", test: "any", seed: "number" } as const;
  const { train = 60_000, test = 10_000, seed = 1 } = checkOptions("syntheticDigits", options, kinds);
  return { train: paintSet("train", train, seed, 0), test: paintSet("test", test, seed, MOST) };
}

function paintSet(split: string, count: number, seed: number, start: number): Dataset {
  expectValue(
    Number.isInteger(count) && count >= 1 && count <= MOST,
    `synthetic digits: ${split} must be a whole number from 1 to ${MOST}, got ${count}`,
  );
  const painter = new DigitPainter(seed);
  const data = new Uint8Array(count * PIXELS);
  const labels = Int32Array.from({ length: count }, (_, i) => painter.paint(start + i, data, i * PIXELS));
  const inputs = { data, shape: [1, SIDE, SIDE], scale: 1 / 255 };
  return datasetOfClasses({ name: "synthetic-digits", split }, inputs, labels, DIGIT_NAMES);
}
