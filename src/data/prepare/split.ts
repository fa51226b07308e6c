/**
 * Divides data sets at random: in two, into k folds, or just into another order. The same seed gives the same parts on
 * every host. Stratified parts hold each class in the proportion of the whole.
 * Refuses fractions outside 0 .. 1, parts that would be empty, and strata without class labels.
 */
import { ValueError } from "../../common/errors.ts";
import { checkOptions, shown } from "../../common/options.ts";
import { Random } from "../../common/random.ts";
import { checkForm, type Dataset, take, titleOf } from "../dataset.ts";

export interface SplitOptions {
  /** Whether each class keeps its share in both parts, at least one sample of it in each; default false. */
  readonly stratify?: boolean;
  /** Names of the two parts; default "train" and "validation". */
  readonly names?: readonly [string, string];
}

/**
 * Divides the samples in two, copied, in random order; the first part holds `fraction` of them (rounded, at least one
 * in each). Stratified, the sizes may be off by as many samples as there are classes with very few.
 */
export function split(
  dataset: Dataset,
  fraction: number,
  seed: number,
  options: SplitOptions = {},
): [Dataset, Dataset] {
  checkForm("split", dataset);
  const kinds = { stratify: "boolean", names: "array" } as const;
  const { stratify = false, names = ["train", "validation"] } = checkOptions("split", options, kinds);
  if (names.length !== 2) {
    throw new ValueError(`split: names must be those of the two parts, got ${shown(names)}`);
  }
  if (!(fraction > 0 && fraction < 1)) {
    throw new ValueError(`split: the fraction must lie between 0 and 1, got ${shown(fraction)}`);
  }
  if (dataset.count < 2) {
    throw new ValueError(`split: needs at least 2 samples, ${titleOf(dataset)} has ${dataset.count}`);
  }
  const order = new Random(seed).permutation(dataset.count);
  const first: number[] = [];
  const second: number[] = [];
  const total = Math.min(dataset.count - 1, Math.max(1, Math.round(dataset.count * fraction)));
  const labels = stratify ? classLabels(dataset, "split") : new Int32Array(dataset.count);
  const quotas = stratify ? quotasOf(labels, dataset.classes ?? 0, fraction, total) : [total];
  for (const i of order) {
    const label = labels[i] as number;
    const left = quotas[label] as number;
    if (left > 0) first.push(i);
    else second.push(i);
    quotas[label] = left - 1;
  }
  if (second.length === 0) {
    throw new ValueError(
      `split: every class of ${titleOf(dataset)} has only one sample; split without stratify`,
    );
  }
  return [take(dataset, first, names[0]), take(dataset, second, names[1])];
}

/** How many of each class go into the first part, `total` in all if the smallest classes allow it. */
function quotasOf(labels: Int32Array, classes: number, fraction: number, total: number): number[] {
  const sizes = new Array<number>(classes).fill(0);
  for (const label of labels) sizes[label] = (sizes[label] as number) + 1;
  const quotas = sizes.map((n) => (n < 2 ? n : Math.min(n - 1, Math.max(1, Math.floor(n * fraction)))));
  let left = total - quotas.reduce((sum, quota) => sum + quota, 0);
  // Largest remainders first; the sort is stable, so that equal ones go by class number.
  const lacking = (label: number) => (sizes[label] as number) * fraction - (quotas[label] as number);
  const byLack = [...sizes.keys()].sort((a, b) => lacking(b) - lacking(a));
  for (const label of byLack) {
    if (left <= 0) break;
    if ((quotas[label] as number) >= (sizes[label] as number) - 1) continue;
    quotas[label] = (quotas[label] as number) + 1;
    left--;
  }
  return quotas;
}

export interface Fold {
  /** All samples but those of `validation`. */
  readonly train: Dataset;
  readonly validation: Dataset;
}

/**
 * k-fold cross-validation: each sample is in exactly one fold's `validation`; sizes differ by one at most. Stratified,
 * the counts of each class do too. Folds are copied one at a time, as they are asked for.
 */
export function kFold(
  dataset: Dataset,
  k: number,
  seed: number,
  options: Pick<SplitOptions, "stratify"> = {},
): Iterable<Fold> {
  checkForm("kFold", dataset);
  const { stratify = false } = checkOptions("kFold", options, { stratify: "boolean" });
  if (!Number.isInteger(k) || k < 2 || k > dataset.count) {
    throw new ValueError(
      `kFold: k must be a whole number from 2 to the ${dataset.count} samples of ${titleOf(dataset)}, got ${k}`,
    );
  }
  const order = [...new Random(seed).permutation(dataset.count)];
  if (stratify) {
    const labels = classLabels(dataset, "kFold");
    order.sort((a, b) => (labels[a] as number) - (labels[b] as number));
  }
  return {
    *[Symbol.iterator]() {
      for (let fold = 0; fold < k; fold++) {
        const inside = (_: number, position: number) => position % k === fold;
        const outside = (_: number, position: number) => position % k !== fold;
        yield {
          train: take(dataset, order.filter(outside), "train"),
          validation: take(dataset, order.filter(inside), "validation"),
        };
      }
    },
  };
}

/** All samples in a random order, copied. */
export function shuffle(dataset: Dataset, seed: number): Dataset {
  checkForm("shuffle", dataset);
  return take(dataset, new Random(seed).permutation(dataset.count));
}

function classLabels(dataset: Dataset, who: string): Int32Array {
  if (dataset.labels instanceof Int32Array) return dataset.labels;
  throw new ValueError(`${who}: stratify needs class labels, ${titleOf(dataset)} has target values`);
}
