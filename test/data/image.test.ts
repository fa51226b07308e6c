/** Resizing against weights by hand, alpha, and grey. */
import { describe, expect, test } from "vitest";
import { imageToSample, isGrey, resizePlane, toGrey } from "../../src/data/image.ts";
import { ShapeError, ValueError } from "../../src/errors.ts";

const pixels = (...rgba: number[][]) => Uint8Array.from(rgba.flat());

describe("resizePlane", () => {
  test("to half: a triangle of two output pixels' width", () => {
    // Weights around the centre at 1.0 of columns 0 .. 2: 0.75, 0.75, 0.25 of the four there are.
    const row = resizePlane(Float32Array.of(8, 0, 0, 0), { width: 4, height: 1 }, { width: 2, height: 1 });
    expect(row[0]).toBeCloseTo((8 * 0.75) / 1.75, 5);
    expect(row[1]).toBeCloseTo(0, 5);
  });
  test("to double: between neighbours, and no further than the edge", () => {
    const row = resizePlane(Float32Array.of(0, 4), { width: 2, height: 1 }, { width: 4, height: 1 });
    expect([...row]).toEqual([0, 1, 3, 4]);
    const column = resizePlane(Float32Array.of(0, 4), { width: 1, height: 2 }, { width: 1, height: 4 });
    expect([...column]).toEqual([...row]);
  });
  test("keeps constants, and the mean when shrinking a fine pattern", () => {
    const stripes = Float32Array.from({ length: 64 * 64 }, (_, i) => (i % 2) * 200);
    const small = resizePlane(stripes, { width: 64, height: 64 }, { width: 8, height: 5 });
    expect(small).toHaveLength(40);
    for (const value of small.filter((_, i) => i % 8 > 0 && i % 8 < 7)) expect(value).toBeCloseTo(100, 3);
  });
});

describe("imageToSample", () => {
  test("channels come first, transparency shows white", () => {
    const image = { width: 2, height: 1, data: pixels([10, 20, 30, 255], [0, 0, 0, 0]) };
    expect([...imageToSample(image, { width: 2, height: 1 })]).toEqual([10, 255, 20, 255, 30, 255]);
    const half = { width: 1, height: 1, data: pixels([0, 100, 255, 51]) };
    expect([...imageToSample(half, { width: 1, height: 1 })]).toEqual([204, 224, 255]);
  });
  test("grey is noticed and made", () => {
    expect(isGrey(Uint8Array.of(1, 2, 1, 2, 1, 2), 2)).toBe(true);
    expect(isGrey(Uint8Array.of(1, 2, 1, 2, 1, 3), 2)).toBe(false);
    expect(isGrey(Uint8Array.of(1, 1, 1, 2, 3, 2), 1)).toBe(false);
    expect([...toGrey(Uint8Array.of(255, 0, 0, 0, 255, 0), 1)]).toEqual([76, 150]);
  });
  test("refuses arrays of another length and sizes that are none", () => {
    const image = { width: 2, height: 1, data: pixels([1, 2, 3, 4]) };
    expect(() => imageToSample(image, { width: 1, height: 1 })).toThrow(ShapeError);
    expect(() => imageToSample({ ...image, width: 1 }, { width: 0, height: 1 })).toThrow(ValueError);
  });
});
