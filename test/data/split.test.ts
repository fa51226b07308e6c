/** Stratified splits, folds and shuffles: nothing lost, nothing twice, classes in proportion. */
import { describe, expect, test } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import { kFold, shuffle, split } from "../../src/data/prepare/split.ts";
import { ValueError } from "../../src/validation/errors.ts";

/** Sample i is the number i; `sizes[c]` samples of class c, mixed. */
function classes(...sizes: number[]): Dataset {
  const labels = sizes.flatMap((size, label) => new Array<number>(size).fill(label));
  const mixed = labels.map((_, i) => labels[(i * 7) % labels.length] as number);
  return {
    name: "toy",
    split: "all",
    count: labels.length,
    inputs: { data: Float32Array.from(labels.keys()), shape: [1] },
    labels: Int32Array.from(mixed),
    classes: sizes.length,
  };
}
const targets: Dataset = {
  name: "line",
  split: "all",
  count: 4,
  inputs: { data: Float32Array.of(0, 1, 2, 3), shape: [1] },
  labels: Float32Array.of(0, 1, 2, 3),
};
const countsOf = ({ labels, classes: n = 0 }: Dataset) =>
  Array.from({ length: n }, (_, c) => labels.filter((label) => label === c).length);
const members = (...parts: Dataset[]) => parts.flatMap((part) => [...part.inputs.data]).sort((a, b) => a - b);

describe("split with stratify", () => {
  test("keeps each class's share and loses nothing", () => {
    const all = classes(50, 30, 17, 3);
    const [train, test] = split(all, 0.8, 5, { stratify: true, names: ["train", "test"] });
    expect(countsOf(train)).toEqual([40, 24, 14, 2]);
    expect([train.split, test.split, train.count, test.count]).toEqual(["train", "test", 80, 20]);
    expect(members(train, test)).toEqual([...Array(100).keys()]);
    // Mixed, not class after class.
    expect([...train.labels]).not.toEqual([...train.labels].sort());
    for (let i = 0; i < train.count; i++) {
      expect(train.labels[i]).toBe(all.labels[train.inputs.data[i] as number]);
    }
    expect(split(all, 0.8, 5, { stratify: true })[0].inputs).toEqual(train.inputs);
    expect(split(all, 0.8, 6, { stratify: true })[0].inputs).not.toEqual(train.inputs);
  });

  test("has every class with two samples in both parts", () => {
    for (const fraction of [0.01, 0.5, 0.99]) {
      const [train, test] = split(classes(60, 2, 1, 2), fraction, 1, { stratify: true });
      expect(countsOf(train).map((n) => n > 0)).toEqual([true, true, true, true]);
      expect(countsOf(test).map((n) => n > 0)).toEqual([true, true, false, true]);
    }
  });

  test("refuses targets, and classes of one sample each", () => {
    expect(() => split(targets, 0.5, 1, { stratify: true })).toThrow("split: stratify needs class labels");
    expect(() => split(targets, 0.5, 1, { names: ["train"] as never })).toThrow(
      "names must be those of the two",
    );
    expect(() => split(classes(1, 1), 0.5, 1, { stratify: true })).toThrow(ValueError);
  });
});

describe("kFold", () => {
  test.each([false, true])("each sample is validated once; stratify %s", (stratify) => {
    const all = classes(11, 7, 5);
    const folds = [...kFold(all, 5, 3, { stratify })];
    expect(folds).toHaveLength(5);
    expect(members(...folds.map(({ validation }) => validation))).toEqual([...Array(23).keys()]);
    for (const { train, validation } of folds) {
      expect(members(train, validation)).toEqual([...Array(23).keys()]);
      expect([4, 5]).toContain(validation.count);
      if (!stratify) continue;
      countsOf(validation).forEach((n, label) => {
        expect(Math.abs(n - ([2.2, 1.4, 1][label] ?? 0))).toBeLessThan(1);
      });
    }
    expect([...kFold(all, 5, 3, { stratify })]).toEqual(folds);
    expect([...kFold(all, 5, 4, { stratify })]).not.toEqual(folds);
  });

  test("refuses a k that makes no folds, at once", () => {
    for (const k of [1, 5, 2.5, Number.NaN]) expect(() => kFold(targets, k, 1)).toThrow(ValueError);
    expect(() => kFold(targets, 2, 1, { stratify: true })).toThrow("kFold: stratify needs class labels");
  });
});

test("shuffle keeps inputs and labels together", () => {
  const mixed = shuffle(targets, 2);
  expect(mixed.inputs.data).toEqual(mixed.labels);
  expect(members(mixed)).toEqual([0, 1, 2, 3]);
  expect(shuffle(targets, 2)).toEqual(mixed);
});
