/**
 * How a camera was held, as JPEG files say it in their Exif segment, and images turned upright by it, as pages show them.
 * Segments that make no sense count as "upright": they are advice, and the pixels are sound without it.
 * Format: Exif 2.3 (TIFF tags), tag 0x0112.
 */
import type { DecodedImage } from "./image.ts";

const ORIENTATION = 0x0112;
const SHORT = 3;

/** 1 (upright) to 8, as the tag has it. `bytes`: a JPEG file. */
export function jpegOrientation(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda; ) {
    const length = view.getUint16(at + 2);
    const isExif = bytes[at + 1] === 0xe1 && length >= 16 && view.byteLength >= at + 2 + length;
    if (isExif && view.getUint32(at + 4) === 0x45786966) {
      return tiffOrientation(new DataView(bytes.buffer, bytes.byteOffset + at + 10, length - 8));
    }
    at += 2 + Math.max(2, length);
  }
  return 1;
}

function tiffOrientation(view: DataView): number {
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return 1;
  const little = order === 0x4949;
  const directory = view.getUint32(4, little);
  if (directory + 2 > view.byteLength) return 1;
  const count = view.getUint16(directory, little);
  for (let i = 0; i < count; i++) {
    const entry = directory + 2 + 12 * i;
    if (entry + 12 > view.byteLength) return 1;
    if (view.getUint16(entry, little) !== ORIENTATION || view.getUint16(entry + 2, little) !== SHORT)
      continue;
    const value = view.getUint16(entry + 8, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/** Where the pixel that belongs at (x, y) lies in an image of width w and height h. */
const SOURCES: readonly ((x: number, y: number, w: number, h: number) => readonly [x: number, y: number])[] =
  [
    (x, y) => [x, y],
    (x, y, w) => [w - 1 - x, y],
    (x, y, w, h) => [w - 1 - x, h - 1 - y],
    (x, y, _, h) => [x, h - 1 - y],
    (x, y) => [y, x],
    (x, y, _, h) => [y, h - 1 - x],
    (x, y, w, h) => [w - 1 - y, h - 1 - x],
    (x, y, w) => [w - 1 - y, x],
  ];

/** The image upright; itself if it is. */
export function upright(image: DecodedImage, orientation: number): DecodedImage {
  const source = SOURCES[orientation - 1];
  if (orientation === 1 || source === undefined) return image;
  const { width: w, height: h } = image;
  const [width, height] = orientation >= 5 ? [h, w] : [w, h];
  const data = new Uint8Array(4 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [fromX, fromY] = source(x, y, w, h);
      const from = 4 * (fromY * w + fromX);
      data.set(image.data.subarray(from, from + 4), 4 * (y * width + x));
    }
  }
  return { width, height, data };
}
