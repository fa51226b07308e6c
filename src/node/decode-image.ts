/**
 * PNG and JPEG files as pixels, with pngjs and jpeg-js; photographs upright, as their Exif part says.
 * Refuses other formats, truncated and damaged files, more pixels than the caller allows, and files whose header claims
 * far more pixels than their bytes can hold, before anything of that size is allocated.
 */
import { inflateSync } from "node:zlib";
import { PNG } from "pngjs";
import { fileKind } from "../data/file-kind.ts";
import type { DecodedImage, ImageSize } from "../data/image.ts";
import { exifOrientation, jpegOrientation, upright } from "../data/orientation.ts";
import { FormatError } from "../errors.ts";
import { decodeJpeg } from "./decode-jpeg.ts";

const PNG_START = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Deflate packs 1032 bytes into one at best. */
const MOST_DEFLATED = 1032;

export interface DecodeOptions {
  /** Named in errors. */
  readonly name?: string;
  /** Most pixels; default 40 million. */
  readonly mostPixels?: number;
}

/** Throws FormatError, beginning with the name, on other formats (saying which), damaged files and too many pixels. */
export function decodeImage(bytes: Uint8Array, options: DecodeOptions = {}): DecodedImage {
  const { name = "image", mostPixels = 40_000_000 } = options;
  const isPng = PNG_START.every((byte, i) => bytes[i] === byte);
  const isJpeg = bytes[0] === 0xff && bytes[1] === 0xd8;
  if (!isPng && !isJpeg) {
    const start = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const kind = fileKind(bytes);
    const what = kind === undefined ? "" : `: it is ${kind}; convert it to PNG or JPEG`;
    throw new FormatError(`${name}: neither PNG nor JPEG, it begins with ${start || "nothing"}${what}`);
  }
  const kind = isPng ? "PNG" : "JPEG";
  const expectSize = ({ width, height }: ImageSize) => {
    if (width * height > mostPixels) {
      throw new FormatError(`${name}: ${width}x${height} pixels are more than the limit of ${mostPixels}`);
    }
    if (width * height === 0) throw new FormatError(`${name}: ${kind} of ${width}x${height} pixels`);
  };
  if (isJpeg) return upright(decodeJpeg(bytes, name, expectSize), jpegOrientation(bytes));
  const exif = checkPng(bytes, name, expectSize);
  try {
    const { width, height, data } = PNG.sync.read(Buffer.from(bytes));
    return upright({ width, height, data }, exif === undefined ? 1 : exifOrientation(exif));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError(`${name}: damaged PNG file: ${reason}`, { cause });
  }
}

type ExpectSize = (size: ImageSize) => void;

/** Walks the chunks; looks at sizes only, the decoder checks the rest. Gives what Exif says, if it is there. */
function checkPng(bytes: Uint8Array, name: string, expectSize: ExpectSize): Uint8Array | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts: Uint8Array[] = [];
  let ended = false;
  let exif: Uint8Array | undefined;
  for (let at = 8; at + 12 <= bytes.length && !ended; ) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (at + 12 + length > bytes.length) {
      throw new FormatError(
        `${name}: truncated PNG, chunk ${JSON.stringify(type)} at byte ${at} takes ${length} bytes`,
      );
    }
    if (type === "CgBI")
      throw new FormatError(`${name}: a PNG in Apple's own form (CgBI); save it as a standard PNG`);
    if ((at === 8) !== (type === "IHDR") || (at === 8 && length !== 13)) {
      throw new FormatError(
        `${name}: damaged PNG, expected one header, at byte 8, got ${JSON.stringify(type)} at byte ${at}`,
      );
    }
    if (type === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + length));
    if (type === "eXIf") exif ??= bytes.subarray(at + 8, at + 8 + length);
    ended = type === "IEND";
    at += 12 + length;
  }
  if (!ended) throw new FormatError(`${name}: truncated PNG, no end after ${bytes.length} bytes`);
  const [width, height, depth, colour] = [
    view.getUint32(16),
    view.getUint32(20),
    bytes[24] ?? 0,
    bytes[25] ?? 0,
  ];
  expectSize({ width, height });
  const perPixel = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[colour] ?? 1;
  const rawBytes = height * (Math.ceil((width * depth * perPixel) / 8) + 1);
  const packed = parts.reduce((sum, part) => sum + part.length, 0);
  if (rawBytes > packed * MOST_DEFLATED) {
    throw new FormatError(`${name}: ${width}x${height} pixels can't be in ${packed} bytes of PNG data`);
  }
  // The decoder sets itself no limit when rows are interlaced; seven passes add a filter byte per row each.
  if (bytes[28] === 1) {
    try {
      inflateSync(Buffer.concat(parts), { maxOutputLength: rawBytes + 8 * height + 8 * 64 });
    } catch (cause) {
      throw new FormatError(`${name}: damaged PNG file: ${(cause as Error).message}`, { cause });
    }
  }
  return exif;
}
