/**
 * Scales inputs to mean 0 and standard deviation 1: each column of a table by the training set's statistics, images by
 * given constants, one for all or one per channel. Statistics are of the values that the network sees (scaled), divided by
 * the number of samples, and accumulated in float64 in two passes.
 */

import { ShapeError } from "../../validation/errors.ts";
import { expectValue } from "../../validation/expect.ts";
import { checkOptions } from "../../validation/options.ts";
import { checkForm, type Dataset, sampleSize, titleOf } from "../dataset.ts";
import { rescaled } from "../lazy-inputs.ts";

/** One number per column (or channel). */
export interface ColumnStatistics {
  readonly mean: Float64Array;
  /** 0 where all values are the same. */
  readonly std: Float64Array;
}

/** Statistics of each of `groups` groups of contiguous values of a sample. */
function statisticsOf({ inputs, count }: Dataset, groups: number): ColumnStatistics {
  const { data, shape, scale = 1, offset = 0 } = inputs;
  const size = sampleSize(shape);
  const each = size / groups;
  const sumOf = (term: (value: number, group: number) => number): Float64Array => {
    const sums = new Float64Array(groups);
    data.forEach((value: number, i: number) => {
      const group = Math.floor((i % size) / each);
      sums[group] = (sums[group] as number) + term(value, group);
    });
    return sums;
  };
  // The rounded mean of equal values may differ from them by 1e-14 or so. Such a deviation in place of 0 would blow up
  // every other value, so a constant group's mean is its value.
  const first = Float64Array.from({ length: groups }, (_, group) => data[group * each] as number);
  const isVarying = new Uint8Array(groups);
  const mean = sumOf((value, group) => {
    if (value !== first[group]) isVarying[group] = 1;
    return value / (count * each);
  }).map((value, group) => (isVarying[group] ? value : (first[group] as number)));
  const variance = sumOf((value, group) => (value - (mean[group] as number)) ** 2 / (count * each));
  return {
    mean: mean.map((value) => value * scale + offset),
    std: variance.map((value) => Math.sqrt(value) * Math.abs(scale)),
  };
}
/** Statistics of every value of a sample over all samples: for tables, those of the columns. */
export function columnStatistics(dataset: Dataset): ColumnStatistics {
  checkForm("columnStatistics", dataset);
  return statisticsOf(dataset, sampleSize(dataset.inputs.shape));
}

/** Statistics of all values; with `perChannel`, of each channel of samples [channels, ...]. */
export function meanAndStd(
  dataset: Dataset,
  options: { readonly perChannel?: boolean } = {},
): ColumnStatistics {
  checkForm("meanAndStd", dataset);
  const { perChannel = false } = checkOptions("meanAndStd", options, { perChannel: "boolean" });
  return statisticsOf(dataset, perChannel ? (dataset.inputs.shape[0] ?? 1) : 1);
}

export interface Standardizer extends ColumnStatistics {
  /** A copy of the data set with (value - mean) / std in each column; constant columns become 0. */
  apply(dataset: Dataset): Dataset;
}

/** Computes the statistics of the training set's columns. Apply the result to training and test set alike. */
export function fitStandardizer(train: Dataset): Standardizer {
  return standardizerOf(columnStatistics(train));
}

/** A standardizer with known statistics, for example from a saved model. */
export function standardizerOf({ mean, std }: ColumnStatistics): Standardizer {
  const apply = (dataset: Dataset) => {
    const size = sampleSize(dataset.inputs.shape);
    if (mean.length !== size || std.length !== size)
      throw new ShapeError(`standardizer: fitted to ${mean.length} columns, ${titleOf(dataset)} has ${size}`);
    const divisors = std.map((value) => value || 1);
    return standardized(dataset, mean, divisors, 1);
  };
  return { mean, std, apply };
}

/** A float32 copy with (value - mean) / std; value j of a sample has the constants of group floor(j / each). */
function standardized(
  dataset: Dataset,
  mean: ArrayLike<number>,
  std: ArrayLike<number>,
  each: number,
): Dataset {
  const { data, shape, scale = 1, offset = 0 } = dataset.inputs;
  const size = sampleSize(shape);
  const out = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const group = Math.floor((i % size) / each);
    out[i] = ((data[i] as number) * scale + offset - (mean[group] as number)) / (std[group] as number);
  }
  return { ...dataset, inputs: { data: out, shape } };
}

/**
 * Inputs as (value - mean) / std. Single constants only change scale and offset: bytes stay bytes, nothing is copied.
 * Lists have one constant per channel of samples [channels, ...] and give float32 copies. Throws ValueError on constants
 * that are not finite and deviations that are not above 0, ShapeError on lists of another length.
 */
export function normalize(
  dataset: Dataset,
  statistics: { readonly mean: ArrayLike<number> | number; readonly std: ArrayLike<number> | number },
): Dataset {
  checkForm("normalize", dataset);
  // A Standardizer, which also has `apply`, is accepted.
  const kinds = { mean: "any", std: "any", apply: "any" } as const;
  const { mean, std } = checkOptions<typeof statistics & { apply?: unknown }>("normalize", statistics, kinds);
  expectValue(mean !== undefined && std !== undefined, "normalize: needs both mean and std");
  const [means, stds] = [mean, std].map((values) =>
    typeof values === "number" ? [values] : Array.from(values),
  ) as [number[], number[]];
  const bad =
    stds.find((value) => !(value > 0)) ?? [...means, ...stds].find((value) => !Number.isFinite(value));
  expectValue(
    bad === undefined,
    `normalize: means must be finite and deviations finite and above 0, got ${bad}`,
  );
  const { shape, scale = 1, offset = 0 } = dataset.inputs;
  if (means.length === 1 && stds.length === 1) {
    const [[onlyMean = 0], [onlyStd = 1]] = [means, stds];
    const inputs = rescaled(dataset.inputs, scale / onlyStd, (offset - onlyMean) / onlyStd);
    return { ...dataset, inputs };
  }
  const channels = shape[0] ?? 1;
  if (means.length !== channels || stds.length !== channels) {
    throw new ShapeError(
      `normalize: ${means.length} means and ${stds.length} deviations, ${titleOf(dataset)} has ${channels} channels`,
    );
  }
  return standardized(dataset, means, stds, sampleSize(shape) / channels);
}
