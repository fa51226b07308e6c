/**
 * Divides data sets at random: in two, into k folds, or just into another order. The same seed gives the same parts on
 * every host. Stratified parts contain each class in the proportion of the whole set.
 */

import { Random } from "../../numbers/random.ts";
import { ValueError } from "../../validation/errors.ts";
import { expectValue } from "../../validation/expect.ts";
import { checkOptions, shown } from "../../validation/options.ts";
import { hasColumns } from "../columns.ts";
import { checkInMemory, type Dataset, type InMemory, take, titleOf } from "../dataset.ts";
import { columnsOf } from "../inputs-and-labels.ts";

export interface SplitOptions {
  /** Whether each class keeps its share in both parts, with at least one sample of it in each; default false. */
  readonly stratify?: boolean;
  /** Names of the two parts; default "train" and "validation". */
  readonly names?: readonly [string, string];
}

/**
 * Divides the samples in two, copied, in random order. The first part has `fraction` of them (rounded, at least one in
 * each). Stratified, the sizes may differ from that by as many samples as there are classes with very few samples.
 * Throws ValueError on fractions outside 0 .. 1, parts that would be empty, and stratification without class labels.
 */
export function split<Set extends InMemory = Dataset>(
  dataset: Set,
  fraction: number,
  seed: number,
  options: SplitOptions = {},
): [Set, Set] {
  checkInMemory("split", dataset);
  const kinds = { stratify: "boolean", names: "array" } as const;
  const { stratify = false, names = ["train", "validation"] } = checkOptions("split", options, kinds);
  expectValue(names.length === 2, `split: names must be those of the two parts, got ${shown(names)}`);
  expectValue(
    fraction > 0 && fraction < 1,
    `split: the fraction must lie between 0 and 1, got ${shown(fraction)}`,
  );
  const { count } = dataset;
  expectValue(count >= 2, `split: needs at least 2 samples, ${titleOf(dataset)} has ${count}`);
  const total = Math.min(count - 1, Math.max(1, Math.round(count * fraction)));
  const { labels, classes } = stratify
    ? classLabels(dataset, "split")
    : { labels: new Int32Array(count), classes: 1 };
  const quotas = stratify ? quotasOf(labels, classes, fraction, total) : [total];
  const parts: [number[], number[]] = [[], []];
  for (const i of new Random(seed).permutation(count)) {
    const label = labels[i] as number;
    const left = quotas[label] as number;
    parts[left > 0 ? 0 : 1].push(i);
    quotas[label] = left - 1;
  }
  expectValue(
    parts[1].length > 0,
    `split: every class of ${titleOf(dataset)} has only one sample; split without stratify`,
  );
  return [take(dataset, parts[0], names[0]), take(dataset, parts[1], names[1])];
}

/** How many samples of each class go into the first part: `total` in all if the smallest classes allow it. */
function quotasOf(labels: Int32Array, classes: number, fraction: number, total: number): number[] {
  const sizes = new Array<number>(classes).fill(0);
  for (const label of labels) sizes[label] = (sizes[label] as number) + 1;
  const quotas = sizes.map((n) => (n < 2 ? n : Math.min(n - 1, Math.max(1, Math.floor(n * fraction)))));
  let left = total - quotas.reduce((sum, quota) => sum + quota, 0);
  // Largest remainders first. The sort is stable: among equal ones the lower class number comes first.
  const remainder = (label: number) => (sizes[label] as number) * fraction - (quotas[label] as number);
  for (const label of [...sizes.keys()].sort((a, b) => remainder(b) - remainder(a))) {
    if (left <= 0) break;
    const quota = quotas[label] as number;
    if (quota >= (sizes[label] as number) - 1) continue;
    quotas[label] = quota + 1;
    left--;
  }
  return quotas;
}

export interface Fold<Set extends InMemory = Dataset> {
  /** All samples except those of `validation`. */
  readonly train: Set;
  readonly validation: Set;
}

/**
 * k-fold cross-validation: each sample is in exactly one fold's `validation`, and their sizes differ by at most one.
 * Stratified, so do the counts of each class. Folds are copied one at a time, when they are iterated over.
 */
export function kFold<Set extends InMemory = Dataset>(
  dataset: Set,
  k: number,
  seed: number,
  options: Pick<SplitOptions, "stratify"> = {},
): Iterable<Fold<Set>> {
  checkInMemory("kFold", dataset);
  const { stratify = false } = checkOptions("kFold", options, { stratify: "boolean" });
  expectValue(
    Number.isInteger(k) && k >= 2 && k <= dataset.count,
    `kFold: k must be a whole number from 2 to the ${dataset.count} samples of ${titleOf(dataset)}, got ${k}`,
  );
  const order = [...new Random(seed).permutation(dataset.count)];
  if (stratify) {
    const { labels } = classLabels(dataset, "kFold");
    order.sort((a, b) => (labels[a] as number) - (labels[b] as number));
  }
  return {
    *[Symbol.iterator]() {
      for (let fold = 0; fold < k; fold++) {
        const isHeldOut = (_: number, position: number) => position % k === fold;
        const isTrained = (_: number, position: number) => position % k !== fold;
        yield {
          train: take(dataset, order.filter(isTrained), "train"),
          validation: take(dataset, order.filter(isHeldOut), "validation"),
        };
      }
    },
  };
}

/** All samples in a random order, copied. */
export function shuffle<Set extends InMemory = Dataset>(dataset: Set, seed: number): Set {
  checkInMemory("shuffle", dataset);
  return take(dataset, new Random(seed).permutation(dataset.count));
}

/** The class number of each sample: the labels, or the column `labels` or `label`. */
function classLabels(dataset: InMemory, who: string): { labels: Int32Array; classes: number } {
  const { columns } = hasColumns(dataset) ? dataset : columnsOf(dataset);
  const { data, classes } = columns.labels ?? columns.label ?? {};
  if (data instanceof Int32Array && classes !== undefined && data.length === dataset.count) {
    return { labels: data, classes };
  }
  throw new ValueError(
    `${who}: stratify needs class labels, one per sample, in \`labels\` or a column labels or label with \`classes\`; ` +
      `${titleOf(dataset)} has none`,
  );
}
