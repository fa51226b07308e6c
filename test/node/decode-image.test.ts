/** What PNG and JPEG files may hold beyond the usual: colour spaces, orientation, depths, and files of other formats. */
import { describe, expect, test } from "vitest";
import { crc32 } from "../../src/data/archives/zip.ts";
import { decodeImage } from "../../src/node/images/decode-image.ts";
import { FormatError } from "../../src/validation/errors.ts";
import { adobe, exif, jfif, type RawJpeg, rawJpeg, segment, tiff } from "../support/raw-jpeg.ts";
import { rawPng } from "../support/raw-png.ts";

const pixel = (bytes: Uint8Array, at = 0) => [
  ...decodeImage(bytes, { name: "f" }).data.subarray(4 * at, 4 * at + 4),
];
const refused = (bytes: Uint8Array, message: string) => {
  expect(() => decodeImage(bytes, { name: "f" })).toThrow(FormatError);
  expect(() => decodeImage(bytes, { name: "f" })).toThrow(message);
};

describe("JPEG", () => {
  const RGB = [82, 71, 66];
  const values = [200, 30, 60];
  const colours: [what: string, options: Partial<RawJpeg>, isRgb: boolean][] = [
    ["Adobe's transform 0", { first: [adobe(0)] }, true],
    ["Adobe's transform 0, components R, G, B", { first: [adobe(0)], ids: RGB }, true],
    ["components R, G, B", { ids: RGB }, true],
    ["components R, G, B, progressive", { ids: RGB, frame: 0xc2 }, true],
    ["nothing", {}, false],
    ["components 0, 1, 2", { ids: [0, 1, 2] }, false],
    ["Adobe's transform 1", { first: [adobe(1)] }, false],
    ["Adobe's transform 1, components R, G, B", { first: [adobe(1)], ids: RGB }, false],
    // libjpeg believes JFIF before all.
    ["JFIF, components R, G, B", { first: [jfif], ids: RGB }, false],
    ["JFIF and Adobe's transform 0", { first: [jfif, adobe(0)] }, false],
  ];
  test.each(colours)("three components with %s", (_, options, isRgb) => {
    const [y, cb, cr] = values.map((value) => value - 128) as [number, number, number];
    const clamp = (value: number) => Math.floor(Math.min(255, Math.max(0, 128 + value)));
    const yCbCr = [clamp(y + 1.402 * cr), clamp(y - 0.344136 * cb - 0.714136 * cr), clamp(y + 1.772 * cb)];
    expect(pixel(rawJpeg({ values, ...options }))).toEqual([...(isRgb ? values : yCbCr), 255]);
  });

  const [c, m, y, k] = [10, 100, 200, 60];
  test.each([0xc0, 0xc1, 0xc2])("CMYK and YCCK, frame %i", (frame) => {
    const cmyk = { values: [c, m, y, k], frame };
    // Without Adobe's segment 255 is full ink; with it, none.
    const ink = (value: number) => Math.round(((255 - value) * (255 - k)) / 255);
    expect(pixel(rawJpeg(cmyk))).toEqual([ink(c), ink(m), ink(y), 255]);
    expect(pixel(rawJpeg({ ...cmyk, first: [jfif] }))).toEqual([ink(c), ink(m), ink(y), 255]);
    const paper = [c, m, y].map((value) => Math.floor((value * k) / 255));
    pixel(rawJpeg({ ...cmyk, first: [adobe(0)] })).forEach((value, i) => {
      expect(Math.abs(value - ([...paper, 255][i] as number))).toBeLessThan(2);
    });
    // Grey in YCCK: full luminance is black with Adobe's inversion.
    const grey = pixel(rawJpeg({ values: [255, 128, 128, 255], frame, first: [adobe(2)] }));
    expect(grey).toEqual([0, 0, 0, 255]);
  });

  test("CMYK of many blocks, with restart markers, without Adobe's segment", () => {
    const first = [segment(0xfe, Buffer.from("note"))];
    for (const restart of [0, 1, 3]) {
      const long = rawJpeg({ values: [c, m, y, k], blocks: 9, restart, first });
      for (const at of [0, 40, 71])
        expect(pixel(long, at)[0]).toBe(Math.round(((255 - c) * (255 - k)) / 255));
    }
  });

  test("grey with restart markers that don't come out even", () => {
    const bytes = rawJpeg({ values: [10, 20, 30, 40, 50], grey: true, restart: 2 });
    expect([0, 8, 16, 24, 32].map((at) => pixel(bytes, at)[0])).toEqual([10, 20, 30, 40, 50]);
  });

  test("Exif is found behind bytes that fill the space", () => {
    const fill = Buffer.from([0xff, 0xff, 0xff]);
    for (const n of [0, 1, 2, 3]) {
      const first = [jfif, fill.subarray(0, n), exif(6)];
      expect(decodeImage(rawJpeg({ values: [1, 2], grey: true, first }))).toMatchObject({
        width: 8,
        height: 16,
      });
    }
    const behind = rawJpeg({ values: [1, 2], grey: true, first: [exif(8), fill] });
    expect(decodeImage(behind)).toMatchObject({ width: 8, height: 16 });
  });

  const others: [what: string, bytes: Uint8Array, message: string][] = [
    ["arithmetic coding", rawJpeg({ values, frame: 0xc9 }), "f: the JPEG uses arithmetic coding"],
    ["arithmetic coding, progressive", rawJpeg({ values, frame: 0xca }), "uses arithmetic coding"],
    ["no losses", rawJpeg({ values, frame: 0xc3 }), "is lossless"],
    ["a hierarchy", rawJpeg({ values, frame: 0xc5 }), "is hierarchical"],
    ["JPEG-LS", rawJpeg({ values, frame: 0xf7 }), "is JPEG-LS"],
    ["12 bits", rawJpeg({ values, frame: 0xc1, precision: 12 }), "f: a JPEG of 12 bits per sample"],
    ["two components", rawJpeg({ values: [1, 2] }), "f: a JPEG of 2 components"],
    ["no frame", rawJpeg({ values, frame: 0xe5 }), "f: damaged JPEG, no frame"],
    ["no scan", rawJpeg({ values }).subarray(0, 100), "f: truncated JPEG"],
  ];
  test.each(others)("is refused by name: %s", (_, bytes, message) => {
    refused(bytes, message);
  });
});

describe("PNG", () => {
  const chunk = (type: string, body: Uint8Array) => {
    const named = Buffer.concat([Buffer.from(type), body]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(body.length);
    sum.writeUInt32BE(crc32(named));
    return Buffer.concat([length, named, sum]);
  };
  /** With a chunk behind the header, or before the end. */
  const withChunk = (bytes: Uint8Array, added: Uint8Array, atEnd = false) => {
    const at = atEnd ? bytes.length - 12 : 33;
    return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at)]);
  };

  test("is turned as its Exif says, wherever that stands", () => {
    // 2 x 1: black, white.
    const flat = rawPng({ width: 2, height: 1, depth: 8, colour: 0 }, Uint8Array.of(0, 0, 255));
    expect(decodeImage(flat)).toMatchObject({ width: 2, height: 1 });
    for (const body of [tiff(8), Buffer.concat([Buffer.from("Exif\0\0"), tiff(8)])]) {
      for (const atEnd of [false, true]) {
        const turned = decodeImage(withChunk(flat, chunk("eXIf", body), atEnd));
        expect(turned).toMatchObject({ width: 1, height: 2 });
        expect([turned.data[0], turned.data[4]]).toEqual([255, 0]);
      }
    }
    for (const body of [tiff(9), Buffer.of(), Buffer.of(0x4d), tiff(6).subarray(0, 12)]) {
      expect(decodeImage(withChunk(flat, chunk("eXIf", body)))).toMatchObject({ width: 2, height: 1 });
    }
  });

  test("16 bits, palettes with transparency, a transparent colour, few bits", () => {
    const deep = rawPng({ width: 2, height: 1, depth: 16, colour: 0 }, Uint8Array.of(0, 0x80, 0, 0xff, 0xff));
    expect([...pixel(deep), ...pixel(deep, 1)]).toEqual([128, 128, 128, 255, 255, 255, 255, 255]);
    const palette = Buffer.of(10, 20, 30, 40, 50, 60);
    const indexed = rawPng({ width: 2, height: 1, depth: 1, colour: 3, palette }, Uint8Array.of(0, 0x40));
    expect([...pixel(indexed), ...pixel(indexed, 1)]).toEqual([10, 20, 30, 255, 40, 50, 60, 255]);
    const idat = indexed.indexOf("IDAT") - 4;
    const tRNS = chunk("tRNS", Uint8Array.of(0));
    const clear = Buffer.concat([indexed.subarray(0, idat), tRNS, indexed.subarray(idat)]);
    expect([...pixel(clear), ...pixel(clear, 1)]).toEqual([10, 20, 30, 0, 40, 50, 60, 255]);
    const grey = rawPng({ width: 2, height: 1, depth: 4, colour: 0 }, Uint8Array.of(0, 0x3f));
    expect([pixel(grey)[0], pixel(grey, 1)[0]]).toEqual([51, 255]);
    const masked = withChunk(grey, chunk("tRNS", Uint8Array.of(0, 3)));
    expect([pixel(masked)[3], pixel(masked, 1)[3]]).toEqual([0, 255]);
  });

  test("missing pixels are refused, also in interlaced files; bytes behind the last row and the file are not", () => {
    const size = { width: 2, height: 2 };
    refused(rawPng(size, Uint8Array.of(0, 7, 7)), "f: truncated PNG, 2x2 pixels take 6 bytes, got 3");
    // Passes of 2 x 2 pixels: one, one, and the second row.
    const passes = [0, 1, 0, 2, 0, 3, 4];
    const interlaced = (raw: number[]) => rawPng({ ...size, interlaced: true }, Uint8Array.from(raw));
    expect([0, 1, 2, 3].map((at) => pixel(interlaced(passes), at)[0])).toEqual([1, 2, 3, 4]);
    refused(interlaced(passes.slice(0, -1)), "f: truncated PNG, 2x2 pixels take 7 bytes, got 6");
    const long = rawPng(size, Uint8Array.of(0, 1, 2, 0, 3, 4, 0, 5, 6));
    expect([0, 1, 2, 3].map((at) => pixel(long, at)[0])).toEqual([1, 2, 3, 4]);
    const appended = Buffer.concat([rawPng(size, Uint8Array.of(0, 1, 2, 0, 3, 4)), Buffer.from("appended")]);
    expect([0, 1, 2, 3].map((at) => pixel(appended, at)[0])).toEqual([1, 2, 3, 4]);
  });

  test("damage is named as what it is", () => {
    const sound = rawPng({ width: 1, height: 1 }, Uint8Array.of(0, 7));
    const flipped = Buffer.from(sound);
    flipped[sound.indexOf("IDAT") + 6] = 0xff;
    refused(flipped, 'f: damaged PNG, chunk "IDAT" at byte 33 does not have its checksum');
    for (const [depth, colour] of [
      [3, 0],
      [4, 2],
      [16, 3],
      [8, 5],
    ] as const) {
      const odd = rawPng({ width: 1, height: 1, depth, colour }, new Uint8Array(16));
      refused(odd, `f: damaged PNG, ${depth} bits per sample and colour type ${colour}`);
    }
  });

  test("Apple's own form is named", () => {
    const flat = rawPng({ width: 1, height: 1, depth: 8, colour: 0 }, Uint8Array.of(0, 0));
    const own = Buffer.concat([flat.subarray(0, 8), chunk("CgBI", Buffer.alloc(4)), flat.subarray(8)]);
    refused(own, "f: a PNG in Apple's own form");
  });
});

describe("other files are named as what they are", () => {
  const box = (...brands: string[]) =>
    Buffer.concat([
      Buffer.of(0, 0, 0, 8 + 4 * brands.length + 4),
      Buffer.from(`ftyp${brands[0]}\0\0\0\0${brands.slice(1).join("")}`, "latin1"),
      Buffer.alloc(40),
    ]);
  const files: [kind: string, bytes: Uint8Array][] = [
    ["a WebP image", Buffer.from("RIFF\x24\0\0\0WEBPVP8 ", "latin1")],
    ["a GIF image", Buffer.from("GIF89a\x01\0")],
    ["a GIF image", Buffer.from("GIF87a\x01\0")],
    ["an AVIF image", box("avif", "mif1")],
    ["an AVIF image", box("mif1", "avif", "miaf")],
    ["a HEIC image", box("heic", "mif1")],
    ["a HEIF image", box("mif1", "miaf")],
    ["a video", box("isom", "mp41")],
    ["a BMP image", Buffer.from("BM\x46\0\0\0", "latin1")],
    ["a TIFF image", Buffer.from("II*\0", "latin1")],
    ["a TIFF image", Buffer.from("MM\0*", "latin1")],
    ["an SVG image", Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'/>")],
    ["an SVG image", Buffer.from('\ufeff<?xml version="1.0"?>\n<!-- x -->\n<svg width="1"></svg>')],
    ["a JPEG XL image", Buffer.of(0xff, 0x0a, 1)],
    ["a JPEG 2000 image", Buffer.from("\0\0\0\x0cjP  \r\n", "latin1")],
    ["an icon", Buffer.of(0, 0, 1, 0, 1)],
    ["a PDF document", Buffer.from("%PDF-1.7")],
    ["a web page", Buffer.from("\n<!DOCTYPE html><html>")],
    ["a PNM image", Buffer.from("P6\n1 1\n255\n")],
    ["a zip archive", Buffer.from("PK\x03\x04", "latin1")],
    ["a Git LFS pointer", Buffer.from("version https://git-lfs.github.com/spec/v1\n")],
  ];
  test.each(files)("%s", (kind, bytes) => {
    refused(bytes, `it is ${kind}`);
  });
});
