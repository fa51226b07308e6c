/** Means of a data set's target values, in float64, once per data set. */
import { type Dataset, labelSize } from "../data/dataset.ts";

const known = new WeakMap<Dataset, Float64Array>();

/** Mean of each target value over all samples. */
export function labelMeans(dataset: Dataset): Float64Array {
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
