/** Means of a data set's target values, in float64, once per data set. */

import { ValueError } from "../../common/errors.ts";
import { type Dataset, labelSize, titleOf } from "../../data/dataset.ts";
import { isSharded, type TrainingData } from "../../data/sharded.ts";

const known = new WeakMap<Dataset, Float64Array>();

/** Mean of each target value over all samples. Throws ValueError for a data set that is not in memory. */
export function labelMeans(dataset: TrainingData): Float64Array {
  if (isSharded(dataset)) {
    throw new ValueError(`${titleOf(dataset)}: its labels are not in memory, so their means are not known`);
  }
  const found = known.get(dataset);
  if (found !== undefined) return found;
  const { labels, count } = dataset;
  const size = labelSize(dataset);
  const means = new Float64Array(size);
  for (let i = 0; i < count * size; i++)
    means[i % size] = (means[i % size] as number) + (labels[i] as number);
  means.forEach((total, i) => {
    means[i] = total / count;
  });
  known.set(dataset, means);
  return means;
}
