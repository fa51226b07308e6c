/**
 * Reads the orientation from the Exif part of JPEG and PNG files, and rotates images upright, as browsers show them.
 * Segments that make no sense count as "upright": they are advice, and the pixels are sound without it.
 * Format: Exif 2.3 (TIFF tags), tag 0x0112.
 */
import { FormatError } from "../../common/errors.ts";
import type { DecodedImage } from "./resize.ts";

const ORIENTATION = 0x0112;
const SHORT = 3;

/** A part of a JPEG file. */
export interface Segment {
  readonly marker: number;
  /** Where its marker begins, without the bytes that may fill the space before it. */
  readonly start: number;
  readonly end: number;
}

/** The segments up to the first scan. Throws FormatError, naming the place, where one is truncated or expected. */
export function* jpegSegments(bytes: Uint8Array, name: string): Generator<Segment> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let start = 2; ; ) {
    while (bytes[start] === 0xff && bytes[start + 1] === 0xff) start++;
    const marker = bytes[start + 1];
    if (start + 4 > bytes.length || bytes[start] !== 0xff || marker === undefined) {
      throw new FormatError(`${name}: damaged or truncated JPEG, expected a segment at byte ${start}`);
    }
    const length = view.getUint16(start + 2);
    const end = start + 2 + length;
    if (length < 2 || end > bytes.length) {
      throw new FormatError(`${name}: truncated JPEG, the segment at byte ${start} takes ${length} bytes`);
    }
    yield { marker, start, end };
    if (marker === 0xda) return;
    start = end;
  }
}

/** 1 (upright) to 8, as the tag has it. `bytes`: a JPEG file; one that makes no sense is upright. */
export function jpegOrientation(bytes: Uint8Array): number {
  try {
    for (const { marker, start, end } of jpegSegments(bytes, "image")) {
      const body = bytes.subarray(start + 4, end);
      if (marker === 0xe1 && EXIF.every((byte, i) => body[i] === byte)) return exifOrientation(body);
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
  return 1;
}

const EXIF = [0x45, 0x78, 0x69, 0x66, 0];

/** As `jpegOrientation`, of what Exif has to say: TIFF's tags, as PNG files have them, or behind the word "Exif". */
export function exifOrientation(bytes: Uint8Array): number {
  const tiff = EXIF.every((byte, i) => bytes[i] === byte) ? bytes.subarray(6) : bytes;
  if (tiff.length < 8) return 1;
  return tiffOrientation(new DataView(tiff.buffer, tiff.byteOffset, tiff.length));
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
