/** Statistics of the training set, and what they do to it and to others. */
import { describe, expect, test } from "vitest";
import { type Dataset, readSample } from "../../src/data/dataset.ts";
import {
  columnStatistics,
  fitStandardizer,
  meanAndStd,
  normalize,
} from "../../src/data/prepare/standardize.ts";
import { ShapeError, ValueError } from "../../src/validation/errors.ts";

const table = (...rows: number[][]): Dataset => ({
  name: "table",
  split: "train",
  count: rows.length,
  inputs: { data: Float32Array.from(rows.flat()), shape: [rows[0]?.length ?? 0] },
  labels: new Float32Array(rows.length),
});
const images: Dataset = {
  name: "images",
  split: "train",
  count: 2,
  inputs: {
    data: Uint8Array.of(0, 100, 200, 200, 100, 200, 0, 200),
    shape: [2, 1, 2],
    scale: 1 / 100,
    offset: 1,
  },
  labels: Int32Array.of(0, 1),
  classes: 2,
};

describe("columns", () => {
  const train = table([1, 1000, 5], [3, 1002, 5], [5, 1004, 5]);
  test("mean 0 and deviation 1, a constant column 0, others by the same numbers", () => {
    const standardizer = fitStandardizer(train);
    expect([...standardizer.mean]).toEqual([3, 1002, 5]);
    const unit = Math.sqrt(8 / 3);
    const rows = [0, 1, 2].map((i) => [...readSample(standardizer.apply(train), i)]);
    const expected = [-2, 0, 2].map((value) => value / unit);
    rows.forEach((row, i) => {
      expect(row[0]).toBeCloseTo(expected[i] as number, 6);
      expect(row[1]).toBeCloseTo(expected[i] as number, 6);
      expect(row[2]).toBe(0);
    });
    expect(readSample(standardizer.apply(table([3 + unit, 1002, 7])), 0)[0]).toBeCloseTo(1, 6);
    expect(readSample(standardizer.apply(table([3, 1002, 7])), 0)[2]).toBe(2);
    expect(train.inputs.data[0]).toBe(1);
    expect(() => standardizer.apply(table([1, 2]))).toThrow(ShapeError);
  });

  test("a constant column of many values has a deviation of exactly 0", () => {
    // 0.7 has no exact sum: a deviation of 1e-14 makes 1 of each value, and 1e13 of 0.8 in another set.
    const { mean, std } = columnStatistics(table(...Array.from({ length: 1001 }, () => [0.7, -0.1])));
    expect([[...mean], [...std]]).toEqual([
      [Math.fround(0.7), Math.fround(-0.1)],
      [0, 0],
    ]);
    const whole = { ...table(...Array.from({ length: 1001 }, () => [0.7])), split: "train" };
    expect(new Set(fitStandardizer(whole).apply(whole).inputs.data)).toEqual(new Set([0]));
  });

  test("large values with little spread keep their spread", () => {
    const { mean, std } = columnStatistics(table([1e6], [1e6 + 1], [1e6 + 2]));
    expect(mean[0]).toBeCloseTo(1e6 + 1, 6);
    expect(std[0]).toBeCloseTo(Math.sqrt(2 / 3), 9);
  });
});

describe("normalize", () => {
  test("one constant changes scale and offset only", () => {
    const { mean, std } = meanAndStd(images);
    expect(mean[0]).toBeCloseTo(1 + 1000 / 8 / 100, 12);
    const made = normalize(images, { mean, std });
    expect(made.inputs.data).toBe(images.inputs.data);
    const after = meanAndStd(made);
    expect(after.mean[0]).toBeCloseTo(0, 12);
    expect(after.std[0]).toBeCloseTo(1, 12);
  });

  test("constants per channel", () => {
    const { mean, std } = meanAndStd(images, { perChannel: true });
    expect([...mean].map((value) => value.toFixed(6))).toEqual(["2.000000", "2.500000"]);
    const after = meanAndStd(normalize(images, { mean, std }), { perChannel: true });
    for (const value of after.mean) expect(value).toBeCloseTo(0, 6);
    for (const value of after.std) expect(value).toBeCloseTo(1, 6);
  });

  test("refuses constants that don't fit", () => {
    expect(() => normalize(images, { mean: 0, std: 0 })).toThrow(ValueError);
    expect(() => normalize(images, { mean: Number.NaN, std: 1 })).toThrow(ValueError);
    expect(() => normalize(images, { mean: [1, 2, 3], std: [1, 2, 3] })).toThrow(ShapeError);
    expect(() => normalize(images, { mean: [1, 2], std: 1 })).toThrow("2 means and 1 deviations");
  });
});
