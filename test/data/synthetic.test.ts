/** Synthetic digits: the same bytes on every host, balanced, inside the frame, too hard for a straight line. */
import { describe, expect, test } from "vitest";
import { readSample } from "../../src/data/dataset.ts";
import { DigitPainter, syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { PenCanvas } from "../../src/data/synthetic/pen-canvas.ts";
import { readWritingStyles } from "../../src/data/synthetic/writing-styles.ts";
import { ValueError } from "../../src/validation/errors.ts";

/** FNV-1a: one number that all hosts must agree on. */
function hashOf(bytes: Uint8Array): string {
  let h = 0x811c9dc5;
  for (const byte of bytes) h = Math.imul(h ^ byte, 0x01000193);
  return (h >>> 0).toString(16).padStart(8, "0");
}

describe("synthetic digits", () => {
  test("fixed values: all hosts draw the same bytes", () => {
    const { train, test: held } = syntheticDigits({ train: 500, test: 100, seed: 1 });
    expect([...train.labels.subarray(0, 20)]).toEqual([
      9, 1, 0, 4, 7, 8, 5, 6, 2, 3, 0, 1, 5, 3, 9, 8, 2, 6, 4, 7,
    ]);
    expect(hashOf(train.inputs.data as Uint8Array)).toBe("8b2cd504");
    expect(hashOf(held.inputs.data as Uint8Array)).toBe("c76aa2e0");
    expect(
      hashOf(syntheticDigits({ train: 50, test: 1, seed: 2 ** 52 }).train.inputs.data as Uint8Array),
    ).toBe("7d389c71");
  });

  test("have the shape of MNIST, and every ten in a row hold each digit once", () => {
    const { train, test: held } = syntheticDigits({ train: 100, test: 30 });
    expect([train.count, held.count, train.split, held.split]).toEqual([100, 30, "train", "test"]);
    expect(train.inputs.shape).toEqual([1, 28, 28]);
    expect(train.inputs.data).toHaveLength(100 * 784);
    expect(Math.max(...readSample(train, 0))).toBeGreaterThan(0.8);
    for (const { labels, count } of [train, held]) {
      for (let i = 0; i < count; i += 10) {
        expect([...labels.subarray(i, i + 10)].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      }
    }
  });

  test("image i depends on seed and i alone", () => {
    const painter = new DigitPainter(5);
    const alone = new Uint8Array(784);
    const label = painter.paint(123, alone);
    const { train } = syntheticDigits({ train: 130, test: 1, seed: 5 });
    expect(train.inputs.data.subarray(123 * 784, 124 * 784)).toEqual(alone);
    expect([train.labels[123], painter.labelOf(123)]).toEqual([label, label]);
    const twice = new Uint8Array(3 * 784);
    painter.paint(123, twice, 784);
    expect(twice.subarray(784, 2 * 784)).toEqual(alone);
    expect(twice.subarray(0, 784).every((byte) => byte === 0)).toBe(true);
  });

  test("no two images are alike, not between seeds and not between training and test", () => {
    const sets = [1, 2].map((seed) => syntheticDigits({ train: 300, test: 300, seed }));
    const hashes = sets.flatMap(({ train, test: held }) =>
      [train, held].flatMap(({ inputs, count }) =>
        Array.from({ length: count }, (_, i) =>
          hashOf((inputs.data as Uint8Array).subarray(i * 784, (i + 1) * 784)),
        ),
      ),
    );
    expect(new Set(hashes).size).toBe(1200);
  });

  test("ink: about as much as MNIST, none on the border, never an empty or a full image", () => {
    const { train } = syntheticDigits({ train: 2000, test: 1 });
    const pixels = train.inputs.data;
    let sum = 0;
    let border = 0;
    for (let i = 0; i < train.count; i++) {
      let own = 0;
      for (let at = 0; at < 784; at++) {
        const value = pixels[i * 784 + at] as number;
        own += value;
        if (at < 28 || at >= 756 || at % 28 === 0 || at % 28 === 27) border += value;
      }
      expect(own / 784 / 255).toBeGreaterThan(0.015);
      expect(own / 784 / 255).toBeLessThan(0.5);
      sum += own;
    }
    const mean = sum / pixels.length / 255;
    expect(mean).toBeGreaterThan(0.1);
    expect(mean).toBeLessThan(0.15);
    expect(border / sum).toBeLessThan(0.004);
  });

  test("a linear classifier learns them, but not well", () => {
    const { train, test: held } = syntheticDigits({ train: 4000, test: 1000 });
    const accuracy = linearAccuracy(train, held, 4);
    expect(accuracy).toBeGreaterThan(0.75);
    expect(accuracy).toBeLessThan(0.93);
  });

  test("every style is drawn with at least two points in a stroke, and none is endless", () => {
    const styles = readWritingStyles();
    expect(styles).toHaveLength(10);
    for (const way of styles.flat()) {
      expect(way.weight).toBeGreaterThan(0);
      const points = way.strokes.reduce((sum, stroke) => sum + 1 + 5 * (stroke.length - 1), 0);
      expect(points).toBeLessThanOrEqual(128);
      for (const { x, y } of way.strokes.flat()) expect([x, y].every((v) => v >= 0 && v <= 1)).toBe(true);
      for (const stroke of way.strokes) expect(stroke.length).toBeGreaterThan(1);
    }
  });

  test("refuses sizes that are no sizes", () => {
    expect(() => syntheticDigits({ train: 0 })).toThrow(ValueError);
    expect(() => syntheticDigits({ train: 10, test: 2.5 })).toThrow("test must be a whole number");
    expect(() => syntheticDigits({ train: 10, test: 10, seed: -1 })).toThrow(ValueError);
  });
});

describe("PenCanvas", () => {
  test("a pen of radius 2 leaves a band four pixels wide, and nothing outside the image", () => {
    const canvas = new PenCanvas();
    const image = new Uint8Array(784);
    canvas.clear();
    canvas.line(4, 14, 2, 24, 14, 2, 0.5);
    canvas.line(-50, -50, 2, -40, -50, 2, 0.5);
    canvas.develop(image, 0, 1, 255, 0, () => 0);
    const column = Array.from({ length: 28 }, (_, row) => image[row * 28 + 14]);
    expect(column.slice(10, 18)).toEqual([0, 0, 255, 255, 255, 255, 0, 0]);
    expect(image.slice(0, 28 * 11).every((value) => value === 0)).toBe(true);
    expect([image[14 * 28 + 1], image[14 * 28 + 3]]).toEqual([0, 255]);
  });
});

interface Part {
  readonly count: number;
  readonly inputs: { readonly data: ArrayLike<number> };
  readonly labels: ArrayLike<number>;
}

/** Softmax regression by plain gradient descent, one image at a time. */
function linearAccuracy(train: Part, held: Part, epochs: number): number {
  const weights = new Float64Array(10 * 785);
  const scores = new Float64Array(10);
  const score = ({ inputs }: Part, i: number) => {
    for (let k = 0; k < 10; k++) {
      let sum = weights[k * 785 + 784] as number;
      for (let j = 0; j < 784; j++) {
        const value = inputs.data[i * 784 + j] as number;
        if (value) sum += ((weights[k * 785 + j] as number) * value) / 255;
      }
      scores[k] = sum;
    }
    return scores.indexOf(Math.max(...scores));
  };
  for (let epoch = 0; epoch < epochs; epoch++) {
    const rate = 0.03 / (1 + epoch / 3);
    for (let i = 0; i < train.count; i++) {
      score(train, i);
      const top = Math.max(...scores);
      const total = scores.reduce((sum, s) => sum + Math.exp(s - top), 0);
      for (let k = 0; k < 10; k++) {
        const d = rate * (Math.exp((scores[k] as number) - top) / total - (train.labels[i] === k ? 1 : 0));
        weights[k * 785 + 784] = (weights[k * 785 + 784] as number) - d;
        for (let j = 0; j < 784; j++) {
          const value = train.inputs.data[i * 784 + j] as number;
          if (value) weights[k * 785 + j] = (weights[k * 785 + j] as number) - (d * value) / 255;
        }
      }
    }
  }
  let right = 0;
  for (let i = 0; i < held.count; i++) if (score(held, i) === held.labels[i]) right++;
  return right / held.count;
}
