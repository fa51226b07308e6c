/**
 * Reads the orientation from the Exif metadata of JPEG and PNG files, and rotates images upright, as browsers show them.
 * Damaged metadata counts as "upright", because the pixels can be read without it. Format: Exif 2.3, tag 0x0112.
 */
import { FormatError } from "../../validation/errors.ts";
import { expectFormat } from "../../validation/expect.ts";
import type { DecodedImage } from "./resize.ts";

const ORIENTATION_TAG = 0x0112;
const TYPE_SHORT = 3;
const APP1_MARKER = 0xe1;
const SCAN_MARKER = 0xda;
const EXIF = [0x45, 0x78, 0x69, 0x66, 0];

/** A part of a JPEG file. */
export interface Segment {
  readonly marker: number;
  /** Where its marker begins, without padding bytes before it. */
  readonly start: number;
  readonly end: number;
}

/** The segments up to the first scan. Throws FormatError, naming the place, where one is missing or truncated. */
export function* jpegSegments(bytes: Uint8Array, name: string): Generator<Segment> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let start = 2; ; ) {
    while (bytes[start] === 0xff && bytes[start + 1] === 0xff) start++;
    const marker = bytes[start + 1] ?? 0;
    expectFormat(
      start + 4 <= bytes.length && bytes[start] === 0xff,
      `${name}: damaged or truncated JPEG, expected a segment at byte ${start}`,
    );
    const length = view.getUint16(start + 2);
    const end = start + 2 + length;
    expectFormat(
      length >= 2 && end <= bytes.length,
      `${name}: truncated JPEG, the segment at byte ${start} takes ${length} bytes`,
    );
    yield { marker, start, end };
    if (marker === SCAN_MARKER) return;
    start = end;
  }
}

/** Orientation of a JPEG file: 1 (upright) to 8, as in Exif. 1 for bytes that are no JPEG file. */
export function jpegOrientation(bytes: Uint8Array): number {
  try {
    for (const { marker, start, end } of jpegSegments(bytes, "image")) {
      const body = bytes.subarray(start + 4, end);
      if (marker === APP1_MARKER && isExif(body)) return exifOrientation(body);
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
  return 1;
}

const isExif = (bytes: Uint8Array) => EXIF.every((byte, i) => bytes[i] === byte);

/** Orientation in Exif metadata: TIFF tags, as PNG files have them, or these after the word "Exif". */
export function exifOrientation(bytes: Uint8Array): number {
  const tiff = isExif(bytes) ? bytes.subarray(6) : bytes;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.length);
  if (tiff.length < 8) return 1;
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return 1;
  const little = order === 0x4949;
  const directory = view.getUint32(4, little);
  if (directory + 2 > tiff.length) return 1;
  const count = view.getUint16(directory, little);
  for (let i = 0; i < count; i++) {
    const entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.length) return 1;
    const [tag, type] = [view.getUint16(entry, little), view.getUint16(entry + 2, little)];
    if (tag !== ORIENTATION_TAG || type !== TYPE_SHORT) continue;
    const value = view.getUint16(entry + 8, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/** The image rotated upright; the image itself if it is. Orientations from 5 on exchange rows and columns. */
export function upright(image: DecodedImage, orientation: number): DecodedImage {
  if (!(orientation >= 2 && orientation <= 8)) return image;
  const { width: w, height: h } = image;
  const [isTransposed, isFlippedX, isFlippedY] = ["5678", "2378", "3467"].map((some) =>
    some.includes(String(orientation)),
  );
  const [width, height] = isTransposed ? [h, w] : [w, h];
  const data = new Uint8Array(4 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [storedX, storedY] = isTransposed ? [y, x] : [x, y];
      const row = isFlippedY ? h - 1 - storedY : storedY;
      const from = 4 * (row * w + (isFlippedX ? w - 1 - storedX : storedX));
      data.set(image.data.subarray(from, from + 4), 4 * (y * width + x));
    }
  }
  return { width, height, data };
}
