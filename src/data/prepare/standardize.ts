/**
 * Inputs with mean 0 and standard deviation 1, by the training set's statistics: column by column for tables, one
 * constant or one per channel for images. Statistics are of the values that the network sees (scaled), divided by the
 * number of samples, and accumulated in float64 in two passes.
 * Refuses statistics that do not fit the samples, and deviations that are not above 0.
 */
import { ShapeError, ValueError } from "../../common/errors.ts";
import { checkOptions } from "../../common/options.ts";
import { checkForm, type Dataset, sampleSize, titleOf } from "../dataset.ts";
import { rescaled } from "../lazy-inputs.ts";

/** One number each per column (or channel). */
export interface ColumnStatistics {
  readonly mean: Float64Array;
  /** 0 where all values are the same. */
  readonly std: Float64Array;
}

/** Mean and standard deviation of each of `groups` groups of a sample's values that lie side by side. */
function statisticsOf({ inputs, count }: Dataset, groups: number): ColumnStatistics {
  const { data, shape, scale = 1, offset = 0 } = inputs;
  const size = sampleSize(shape);
  const each = size / groups;
  const mean = new Float64Array(groups);
  const variance = new Float64Array(groups);
  const least = new Float64Array(groups).fill(Number.POSITIVE_INFINITY);
  const most = new Float64Array(groups).fill(Number.NEGATIVE_INFINITY);
  const pass = (visit: (value: number, group: number) => void) => {
    for (let i = 0; i < data.length; i++) visit(data[i] as number, Math.floor((i % size) / each));
  };
  pass((value, group) => {
    mean[group] = (mean[group] as number) + value / (count * each);
    least[group] = Math.min(least[group] as number, value);
    most[group] = Math.max(most[group] as number, value);
  });
  // The sum of equal values is rounded, and a deviation of 1e-14 in place of 0 would blow up every other value.
  mean.forEach((_, group) => {
    if (least[group] === most[group]) mean[group] = least[group] as number;
  });
  pass((value, group) => {
    const distance = value - (mean[group] as number);
    variance[group] = (variance[group] as number) + (distance * distance) / (count * each);
  });
  return {
    mean: mean.map((value) => value * scale + offset),
    std: variance.map((value) => Math.sqrt(value) * Math.abs(scale)),
  };
}

/** Statistics of every value of a sample, over all samples: of tables those of the columns. */
export function columnStatistics(dataset: Dataset): ColumnStatistics {
  checkForm("columnStatistics", dataset);
  return statisticsOf(dataset, sampleSize(dataset.inputs.shape));
}

/** Mean and standard deviation over all values; with `perChannel`, of each channel of samples [channels, ...]. */
export function meanAndStd(
  dataset: Dataset,
  options: { readonly perChannel?: boolean } = {},
): ColumnStatistics {
  checkForm("meanAndStd", dataset);
  const { perChannel = false } = checkOptions("meanAndStd", options, { perChannel: "boolean" });
  return statisticsOf(dataset, perChannel ? (dataset.inputs.shape[0] ?? 1) : 1);
}

export interface Standardizer extends ColumnStatistics {
  /** The data set with (value - mean) / std in each column, copied; columns of one value become 0. */
  apply(dataset: Dataset): Dataset;
}

/** Learns the columns' statistics from the training set; apply it to training and test set alike. */
export function fitStandardizer(train: Dataset): Standardizer {
  return standardizerOf(columnStatistics(train));
}

/** A standardizer with known statistics, for example from a saved model. */
export function standardizerOf({ mean, std }: ColumnStatistics): Standardizer {
  return {
    mean,
    std,
    apply: (dataset) => {
      const size = sampleSize(dataset.inputs.shape);
      if (mean.length !== size || std.length !== size) {
        throw new ShapeError(
          `standardizer: fitted to ${mean.length} columns, ${titleOf(dataset)} has ${size}`,
        );
      }
      return transformed(dataset, (j) => [mean[j] as number, (std[j] as number) || 1]);
    },
  };
}

function transformed(
  dataset: Dataset,
  constants: (j: number) => readonly [mean: number, std: number],
): Dataset {
  const { data, shape, scale = 1, offset = 0 } = dataset.inputs;
  const size = sampleSize(shape);
  const of = Array.from({ length: size }, (_, j) => constants(j));
  const out = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const [mean, std] = of[i % size] as readonly [number, number];
    out[i] = ((data[i] as number) * scale + offset - mean) / std;
  }
  return { ...dataset, inputs: { data: out, shape } };
}

/**
 * Inputs as (value - mean) / std. One constant each changes only scale and offset: bytes stay bytes, nothing is copied.
 * Lists have one constant per channel of samples [channels, ...], and give float32 copies.
 */
export function normalize(
  dataset: Dataset,
  statistics: { readonly mean: ArrayLike<number> | number; readonly std: ArrayLike<number> | number },
): Dataset {
  checkForm("normalize", dataset);
  // A Standardizer will do, too.
  const kinds = { mean: "any", std: "any", apply: "any" } as const;
  const { mean, std } = checkOptions<typeof statistics & { apply?: unknown }>("normalize", statistics, kinds);
  if (mean === undefined || std === undefined) throw new ValueError("normalize: needs both mean and std");
  const listed = (values: ArrayLike<number> | number) =>
    typeof values === "number" ? [values] : Array.from(values);
  const [means, stds] = [listed(mean), listed(std)];
  const bad =
    stds.find((value) => !(value > 0)) ?? [...means, ...stds].find((value) => !Number.isFinite(value));
  if (bad !== undefined) {
    throw new ValueError(`normalize: means must be finite and deviations finite and above 0, got ${bad}`);
  }
  const { shape, scale = 1, offset = 0 } = dataset.inputs;
  const [firstMean = 0, firstStd = 1] = [means[0], stds[0]];
  if (means.length === 1 && stds.length === 1) {
    return {
      ...dataset,
      inputs: rescaled(dataset.inputs, scale / firstStd, (offset - firstMean) / firstStd),
    };
  }
  const channels = shape[0] ?? 1;
  if (means.length !== channels || stds.length !== channels) {
    throw new ShapeError(
      `normalize: ${means.length} means and ${stds.length} deviations, ${titleOf(dataset)} has ${channels} channels`,
    );
  }
  const each = sampleSize(shape) / channels;
  return transformed(dataset, (j) => {
    const channel = Math.floor(j / each);
    return [means[channel] as number, stds[channel] as number];
  });
}
