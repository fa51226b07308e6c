/** Data sets: cutting, picking, dividing, packing, and every complaint of the validator. */
import { describe, expect, test } from "vitest";
import {
  type Dataset,
  packBytes,
  readSample,
  sampleSize,
  subset,
  take,
  validateDataset,
} from "../../src/data/dataset.ts";
import { split } from "../../src/data/prepare/split.ts";
import { DataError, ValueError } from "../../src/validation/errors.ts";

const bytes = (count: number): Dataset => ({
  name: "toy",
  split: "train",
  count,
  inputs: {
    data: Uint8Array.from({ length: count * 6 }, (_, i) => i),
    shape: [1, 2, 3],
    scale: 0.5,
    offset: -1,
  },
  labels: Int32Array.from({ length: count }, (_, i) => i % 3),
  classes: 3,
  classNames: ["a", "b", "c"],
});

const values = (): Dataset => ({
  name: "houses",
  split: "all",
  count: 2,
  inputs: { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [3] },
  labels: Float32Array.of(1, 2, 3, 4),
  labelShape: [2],
});

describe("Dataset", () => {
  test("a sample is scaled and shifted", () => {
    expect([...readSample(bytes(3), 1)]).toEqual([2, 2.5, 3, 3.5, 4, 4.5]);
    expect([...readSample(values(), 1)]).toEqual([4, 5, 6]);
    expect(sampleSize([])).toBe(1);
  });

  test("subset takes the first samples without copying", () => {
    const all = bytes(10);
    const some = subset(all, 4);
    expect(some.count).toBe(4);
    expect(some.inputs.data.buffer).toBe(all.inputs.data.buffer);
    expect(some.inputs.data).toHaveLength(24);
    expect([...some.labels]).toEqual([0, 1, 2, 0]);
    expect(subset(all, 99).count).toBe(10);
    expect(subset(values(), 1).labels).toHaveLength(2);
    expect(() => subset(all, 0)).toThrow(ValueError);
    validateDataset(some);
  });

  test("subset with a seed picks at random, without repeats, the same ones each time", () => {
    const some = subset(bytes(40), 20, 7);
    const firstPixels = Array.from({ length: 20 }, (_, i) => some.inputs.data[i * 6]);
    expect(new Set(firstPixels).size).toBe(20);
    expect(firstPixels).not.toEqual([...firstPixels].sort());
    expect(subset(bytes(40), 20, 7)).toEqual(some);
  });

  test("take picks samples by index, in order", () => {
    const picked = take(bytes(5), [4, 0, 4]);
    expect([...picked.inputs.data.subarray(0, 7)]).toEqual([24, 25, 26, 27, 28, 29, 0]);
    expect([...picked.labels]).toEqual([1, 0, 1]);
    expect([...take(values(), [1]).labels]).toEqual([3, 4]);
    expect(() => take(bytes(5), [0, 5])).toThrow(
      "take: index 5 at position 1 is outside the 5 samples of data set toy/train",
    );
  });

  test("split divides by a seed: nothing lost, nothing twice", () => {
    const [train, validation] = split(bytes(40), 0.8, 3);
    expect([train.count, validation.count]).toEqual([32, 8]);
    expect([train.split, validation.split]).toEqual(["train", "validation"]);
    const firstPixels = [train, validation].flatMap((part) =>
      Array.from({ length: part.count }, (_, i) => part.inputs.data[i * 6] as number),
    );
    expect(firstPixels.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i * 6));
    expect(split(bytes(40), 0.8, 3)[1]).toEqual(validation);
    expect(split(bytes(40), 0.8, 4)[1]).not.toEqual(validation);
    expect(split(bytes(2), 0.01, 1).map((part) => part.count)).toEqual([1, 1]);
    expect(() => split(bytes(4), 1, 3)).toThrow(ValueError);
    expect(() => split(bytes(1), 0.5, 3)).toThrow(ValueError);
  });

  test("bytes are packed four to a word, the first one lowest", () => {
    const aligned = new Uint8Array(8).map((_, i) => i + 1);
    expect([...packBytes(aligned)]).toEqual([0x04030201, 0x08070605]);
    expect(packBytes(aligned).buffer).toBe(aligned.buffer);
    expect([...packBytes(aligned.subarray(1, 6))]).toEqual([0x05040302, 0x06]);
    expect(packBytes(aligned.subarray(1, 5))).toHaveLength(1);
    expect(packBytes(new Uint8Array(0))).toHaveLength(0);
  });
});

describe("validateDataset", () => {
  test("accepts what is sound", () => {
    expect(validateDataset(bytes(4)).count).toBe(4);
    expect(validateDataset(values()).count).toBe(2);
  });

  const labels = (...list: number[]) => Int32Array.from(list);
  const wrong: [what: string, dataset: Dataset, message: string][] = [
    ["an empty set", bytes(0), "data set toy/train: must hold at least one sample, count is 0"],
    ["a count that is no number", { ...bytes(1), count: Number.NaN }, "count is NaN"],
    [
      "a shape with a zero",
      { ...bytes(1), inputs: { data: new Uint8Array(0), shape: [1, 0] } },
      "inputs.shape",
    ],
    [
      "too few input bytes",
      { ...bytes(2), inputs: { data: new Uint8Array(11), shape: [1, 2, 3] } },
      "inputs.data must hold 12 values (2 of [1, 2, 3]), got 11",
    ],
    [
      "too many labels",
      { ...bytes(2), labels: labels(0, 1, 2) },
      "labels must hold 2 values (2 of [1]), got 3",
    ],
    ["a label above", { ...bytes(2), labels: labels(0, 3) }, "label 3 of sample 1 is outside 0 .. 2"],
    ["a label below", { ...bytes(2), labels: labels(-1, 0) }, "label -1 of sample 0 is outside 0 .. 2"],
    ["class names that don't fit", { ...bytes(2), classNames: ["a"] }, "has 3 classes but 1 class names"],
    [
      "NaN in the inputs",
      { ...values(), inputs: { data: Float32Array.of(1, 2, 3, 4, Number.NaN, 6), shape: [3] } },
      "data set houses/all: input 1 of sample 1 is NaN",
    ],
    [
      "an infinite target",
      { ...values(), labels: Float32Array.of(1, 2, 3, Infinity) },
      "target 1 of sample 1 is Inf",
    ],
    ["classes beside target values", { ...values(), classes: 2 }, "class numbers belong in an Int32Array"],
    ["a scale of NaN", { ...bytes(1), inputs: { ...bytes(1).inputs, scale: Number.NaN } }, "inputs.scale"],
  ];
  test.each(wrong)("refuses %s", (_, dataset, message) => {
    expect(() => validateDataset(dataset)).toThrow(DataError);
    expect(() => validateDataset(dataset)).toThrow(message);
  });

  test("refuses class labels without the number of classes", () => {
    const { classes: _, ...rest } = bytes(2);
    expect(() => validateDataset(rest)).toThrow("need the number of classes");
  });
});
