/** A data set for tests of training that need images but not much work: bars of ten slopes, 12 x 12 pixels, as bytes. */

import type { Dataset } from "../../src/data/dataset.ts";
import { Random } from "../../src/numbers/random.ts";

export const TINY = 12;

export function tinyImages(count: number, seed = 1, split = "train"): Dataset {
  const random = new Random(seed);
  const data = new Uint8Array(count * TINY * TINY);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 10);
  for (let n = 0; n < count; n++) {
    const angle = ((labels[n] as number) * Math.PI) / 10;
    const shift = random.uniform(-1, 1);
    for (let i = 0; i < TINY * TINY; i++) {
      const [x, y] = [(i % TINY) - 5.5, Math.floor(i / TINY) - 5.5];
      const distance = Math.abs(x * Math.sin(angle) - y * Math.cos(angle) + shift);
      data[n * TINY * TINY + i] = Math.max(0, Math.round(255 - 128 * distance)) * random.uniform(0.6, 1);
    }
  }
  const inputs = { data, shape: [1, TINY, TINY], scale: 1 / 255 };
  return { name: "bars", split, count, inputs, labels, classes: 10 };
}
