/** Resizing against weights by hand, alpha, and grey. */
import { describe, expect, test } from "vitest";
import { jpegOrientation, upright } from "../../src/data/images/orientation.ts";
import { imageToSample, isGrey, resizePlane, toGrey } from "../../src/data/images/resize.ts";
import { ShapeError, ValueError } from "../../src/validation/errors.ts";

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

describe("orientation", () => {
  /** A JPEG's beginning with an Exif segment: orientation behind another tag. */
  function exif(orientation: number, little: boolean): Uint8Array {
    const view = new DataView(new ArrayBuffer(2 + 4 + 6 + 8 + 2 + 24 + 4));
    view.setUint16(0, 0xffd8);
    view.setUint16(2, 0xffe1);
    view.setUint16(4, view.byteLength - 4);
    view.setUint32(6, 0x45786966);
    const tiff = 12;
    view.setUint16(tiff, little ? 0x4949 : 0x4d4d);
    view.setUint16(tiff + 2, 42, little);
    view.setUint32(tiff + 4, 8, little);
    view.setUint16(tiff + 8, 2, little);
    view.setUint16(tiff + 10, 0x010f, little);
    const entry = tiff + 22;
    view.setUint16(entry, 0x0112, little);
    view.setUint16(entry + 2, 3, little);
    view.setUint32(entry + 4, 1, little);
    view.setUint16(entry + 8, orientation, little);
    return new Uint8Array(view.buffer);
  }
  test("is read in either byte order, and is 1 wherever it makes no sense", () => {
    expect(jpegOrientation(exif(6, true))).toBe(6);
    expect(jpegOrientation(exif(3, false))).toBe(3);
    expect(jpegOrientation(exif(9, false))).toBe(1);
    expect(jpegOrientation(exif(6, true).subarray(0, 40))).toBe(1);
    expect(jpegOrientation(exif(6, true).with(12, 0))).toBe(1);
    expect(jpegOrientation(exif(6, true).with(16, 0xff))).toBe(1);
    expect(jpegOrientation(Uint8Array.of(0xff, 0xd8))).toBe(1);
  });
  test("turns images upright", () => {
    // a b c
    // d e f
    const image = {
      width: 3,
      height: 2,
      data: Uint8Array.from("abcdef".repeat(4), (_, i) => 97 + Math.floor(i / 4)),
    };
    const rows = (orientation: number) => {
      const { width, height, data } = upright(image, orientation);
      const text = String.fromCharCode(...data.filter((_, i) => i % 4 === 2));
      return Array.from({ length: height }, (_, y) => text.slice(y * width, (y + 1) * width)).join(" ");
    };
    expect([1, 2, 3, 4, 5, 6, 7, 8].map(rows)).toEqual([
      ...["abc def", "cba fed", "fed cba", "def abc"],
      ...["ad be cf", "da eb fc", "fc eb da", "cf be ad"],
    ]);
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
