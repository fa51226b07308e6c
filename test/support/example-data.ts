/** Small made-up data sets for the examples' tests. */
import { type Dataset, validateDataset } from "../../src/data/dataset.ts";
import { Random } from "../../src/numbers/random.ts";

/** Prices that a network can learn from 13 columns: a linear function and one product. */
export function houses(count: number): Dataset {
  const random = new Random(3);
  const data = Float32Array.from({ length: count * 13 }, () => random.normal(0, 1));
  const labels = Float32Array.from({ length: count }, (_, i) => {
    const x = data.subarray(13 * i, 13 * i + 13);
    return 2 * x[0]! - x[1]! + 0.5 * x[2]! * x[3]!;
  });
  return validateDataset({ name: "houses", split: "all", count, inputs: { data, shape: [13] }, labels });
}

/** Images [3, 16, 16] of 10 classes, each a colour and a stripe width; sample `first + i` is always the same. */
export function colourImages(count: number, first: number): Dataset {
  const size = 3 * 16 * 16;
  const data = new Uint8Array(count * size);
  const labels = Int32Array.from({ length: count }, (_, i) => (first + i) % 10);
  labels.forEach((label, i) => {
    const random = new Random(first + i);
    for (let j = 0; j < size; j++) {
      const channel = Math.floor(j / 256);
      const stripe = Math.floor((j % 16) / (1 + (label % 4))) % 2;
      data[i * size + j] =
        60 * stripe + 80 * Number(label % 3 === channel) + 8 * label + random.uniform(0, 30);
    }
  });
  return validateDataset({
    name: "colours",
    split: "all",
    count,
    classes: 10,
    labels,
    inputs: { data, shape: [3, 16, 16], scale: 1 / 255 },
  });
}

/** Images [1, 8, 8] of 10 classes: a bright spot in a place of its own, under noise. */
export function eightByEight(count: number): Dataset {
  const random = new Random(4);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 10);
  const data = Float32Array.from({ length: count * 64 }, (_, j) => {
    const place = 6 * labels[Math.floor(j / 64)]!;
    return Number(j % 64 >= place && j % 64 < place + 4) + random.normal(0, 0.1);
  });
  return validateDataset({
    name: "spots",
    split: "all",
    count,
    classes: 10,
    labels,
    inputs: { data, shape: [1, 8, 8] },
  });
}

/** Numbers in [0, 1) in place of Math.random, the same in every run. */
export function seeded(seed = 5): () => number {
  const random = new Random(seed);
  return () => random.uniform(0, 1);
}
