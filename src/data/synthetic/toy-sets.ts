/**
 * Generated data to try networks on: spirals, which are not linearly separable, and noise, which nothing can be learned
 * from. The same seed gives the same samples on every host.
 */

import { cosSin2Pi } from "../../numbers/math-exact.ts";
import { Random } from "../../numbers/random.ts";
import { expectValue } from "../../validation/expect.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import { type Dataset, sampleSize, validateDataset } from "../dataset.ts";

interface ToyOptions {
  /** Default 1. */
  readonly seed?: number;
  /** Default "all". */
  readonly split?: string;
}

const TOY = { count: "any", classes: "any", seed: "number", split: "string" } as const;

export interface SpiralOptions extends ToyOptions {
  /** Default 600. */
  readonly count?: number;
  /** Arms, each a class; default 2. */
  readonly classes?: number;
  /** Turns of each arm; default 1.5. */
  readonly turns?: number;
  /** Standard deviation of the points around their arm, whose outer end is at radius 1; default 0.02. */
  readonly noise?: number;
}

const SPIRALS = { ...TOY, turns: "any", noise: "any" } as const satisfies OptionKinds<SpiralOptions>;

/**
 * Points [2] on arms that wind outwards. Classes alternate, so any stretch of samples contains all of them. Throws
 * ValueError on counts that are not whole numbers of at least 1.
 */
export function spirals(options: SpiralOptions = {}): Dataset {
  const checked = checkOptions("spirals", options, SPIRALS);
  const { count = 600, classes = 2, turns = 1.5, noise = 0.02, seed = 1, split = "all" } = checked;
  expectWhole("spirals", { count, classes });
  expectValue(
    Number.isFinite(turns) && Number.isFinite(noise) && noise >= 0,
    `spirals: turns and noise must be finite, noise at least 0, got ${turns} and ${noise}`,
  );
  const random = new Random(seed);
  const data = new Float32Array(2 * count);
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
  labels.forEach((label, i) => {
    const radius = random.uniform(0.05, 1);
    const angle = radius * turns + label / classes;
    const [cos, sin] = cosSin2Pi(angle - Math.floor(angle));
    data[2 * i] = radius * cos + random.normal(0, noise);
    data[2 * i + 1] = radius * sin + random.normal(0, noise);
  });
  return validateDataset({ name: "spirals", split, count, inputs: { data, shape: [2] }, labels, classes });
}

export interface NoiseOptions extends ToyOptions {
  /** Default 1000. */
  readonly count?: number;
  /** Of one sample; default [1, 28, 28]. */
  readonly shape?: readonly number[];
  /** Default 10. */
  readonly classes?: number;
}

const NOISE = { ...TOY, shape: "array" } as const satisfies OptionKinds<NoiseOptions>;

/** Random bytes with random labels: the accuracy on unseen samples is that of guessing. */
export function noise(options: NoiseOptions = {}): Dataset {
  const checked = checkOptions("noise", options, NOISE);
  const { count = 1000, shape = [1, 28, 28], classes = 10, seed = 1, split = "all" } = checked;
  const size = sampleSize(shape);
  expectWhole("noise", { count, classes, size });
  const pixels = new Random(seed);
  const words = Uint32Array.from({ length: Math.ceil((count * size) / 4) }, () => pixels.u32());
  const answers = new Random(seed, 1);
  return validateDataset({
    name: "noise",
    split,
    count,
    inputs: { data: new Uint8Array(words.buffer, 0, count * size), shape, scale: 1 / 255 },
    labels: Int32Array.from({ length: count }, () => answers.below(classes)),
    classes,
  });
}

function expectWhole(who: string, values: Readonly<Record<string, number>>): void {
  for (const [key, value] of Object.entries(values)) {
    expectValue(
      Number.isInteger(value) && value >= 1,
      `${who}: ${key} must be a whole number of at least 1, got ${value}`,
    );
  }
}
