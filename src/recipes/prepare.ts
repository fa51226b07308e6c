/** Prepares data sets for training: divides them, selects classes, scales values. All functions return new data sets. */

import { type Dataset, subset, take } from "../data/dataset.ts";
import { split } from "../data/prepare/split.ts";
import { fitStandardizer, normalize } from "../data/prepare/standardize.ts";
import type { TrainTest } from "../data/published/dataset-source.ts";
import { ValueError } from "../validation/errors.ts";

/** Training and test set unchanged; a set that is not divided is split with `share` for training, classes in proportion. */
export function divided(data: Dataset | TrainTest, seed: number, share = 0.8): TrainTest {
  if ("train" in data) return data;
  const stratify = data.classes !== undefined;
  const [train, test] = split(data, share, seed, { stratify, names: ["train", "test"] });
  return { train, test };
}

export function eachPart({ train, test, ...rest }: TrainTest, change: (part: Dataset) => Dataset): TrainTest {
  return { ...rest, train: change(train), test: change(test) };
}

/** A `prepare` that normalises both sets by the mean and standard deviation of the training pixels. */
export function normalizedBy(
  mean: number,
  std: number,
): (data: Dataset | TrainTest, seed: number) => TrainTest {
  return (data, seed) => eachPart(divided(data, seed), (part) => normalize(part, { mean, std }));
}

/** How many training images of CIFAR-10 are used: the first two of the five published batches. */
const CIFAR_IMAGES = 20_000;

/** The first 20,000 training images and all test images of CIFAR-10, normalised by mean and deviation of all pixels. */
export function cifarPart(data: Dataset | TrainTest, seed: number): TrainTest {
  const { train, ...rest } = divided(data, seed);
  const parts = { ...rest, train: subset(train, CIFAR_IMAGES) };
  return eachPart(parts, (part) => normalize(part, { mean: 0.4734, std: 0.2516 }));
}

/**
 * The samples of two classes in their order, with target 1 for class `yes` and 0 for class `no`; at most `most` of each.
 * Throws ValueError where a class has none.
 */
export function oneAgainstOther(
  dataset: Dataset,
  {
    yes,
    no,
    most = Number.POSITIVE_INFINITY,
  }: { readonly yes: number; readonly no: number; readonly most?: number },
): Dataset {
  const { labels, classes: _, classNames: __, ...rest } = dataset;
  const left = new Map([yes, no].map((label) => [label, most]));
  const picked: number[] = [];
  labels.forEach((label, i) => {
    const room = left.get(label) ?? 0;
    if (room > 0) picked.push(i);
    left.set(label, room - 1);
  });
  const targets = Float32Array.from(picked, (i) => (labels[i] === yes ? 1 : 0));
  if (!targets.includes(1) || !targets.includes(0)) {
    throw new ValueError(
      `${dataset.name}/${dataset.split}: has no samples of class ${yes} or of class ${no}`,
    );
  }
  const { inputs, count, split: name } = take(dataset, picked);
  return { ...rest, split: name, count, inputs, labels: targets, labelShape: [1] };
}

/** Pixels as 0 and 1: 1 from `threshold` on. */
export function binaryPixels(dataset: Dataset, threshold: number): Dataset {
  const data = Uint8Array.from(dataset.inputs.data, (value) => (value >= threshold ? 1 : 0));
  return { ...dataset, inputs: { data, shape: dataset.inputs.shape } };
}

/** Every column with mean 0 and standard deviation 1 over the training set. */
export function standardized(data: TrainTest): TrainTest {
  const { apply } = fitStandardizer(data.train);
  return eachPart(data, apply);
}
