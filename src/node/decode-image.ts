/**
 * PNG and JPEG files as pixels, with pngjs and jpeg-js; photographs upright, as their Exif segment says.
 * Refuses other formats, truncated and damaged files, more pixels than the caller allows, and files whose header claims
 * far more pixels than their bytes can hold, before anything of that size is allocated.
 */
import { inflateSync } from "node:zlib";
import jpeg from "jpeg-js";
import { PNG } from "pngjs";
import type { DecodedImage, ImageSize } from "../data/image.ts";
import { jpegOrientation, upright } from "../data/orientation.ts";
import { FormatError } from "../errors.ts";

const PNG_START = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Deflate packs 1032 bytes into one at best. */
const MOST_DEFLATED = 1032;
/** A block of 64 values takes at least one bit of a JPEG, and a sample at most one block per 8x8 pixels. */
const MOST_PIXELS_PER_JPEG_BYTE = 8 * 64;

export interface DecodeOptions {
  /** Named in errors. */
  readonly name?: string;
  /** Most pixels; default 40 million. */
  readonly mostPixels?: number;
}

export function decodeImage(bytes: Uint8Array, options: DecodeOptions = {}): DecodedImage {
  const { name = "image", mostPixels = 40_000_000 } = options;
  const isPng = PNG_START.every((byte, i) => bytes[i] === byte);
  const isJpeg = bytes[0] === 0xff && bytes[1] === 0xd8;
  if (!isPng && !isJpeg) {
    const start = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    throw new FormatError(`${name}: neither PNG nor JPEG, it begins with ${start || "nothing"}`);
  }
  const kind = isPng ? "PNG" : "JPEG";
  const expectSize = ({ width, height }: ImageSize) => {
    if (width * height > mostPixels) {
      throw new FormatError(`${name}: ${width}x${height} pixels are more than the limit of ${mostPixels}`);
    }
    if (width * height === 0) throw new FormatError(`${name}: ${kind} of ${width}x${height} pixels`);
  };
  const size = isPng ? measurePng(bytes, name, expectSize) : measureJpeg(bytes, name, expectSize);
  try {
    const decoded = isPng ? PNG.sync.read(Buffer.from(bytes)) : decodeJpeg(bytes, size);
    const { width, height, data } = decoded;
    return upright({ width, height, data }, isJpeg ? jpegOrientation(bytes) : 1);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError(`${name}: damaged ${kind} file: ${reason}`, { cause });
  }
}

/** No frame behind the first one may be larger than it: the decoder makes room for each before it refuses a second. */
const decodeJpeg = (bytes: Uint8Array, { width, height }: ImageSize) =>
  jpeg.decode(bytes, {
    useTArray: true,
    tolerantDecoding: false,
    maxResolutionInMP: (width * height + 1) / 1e6,
    maxMemoryUsageInMB: 1024,
  });

type ExpectSize = (size: ImageSize) => void;

/** Walks the chunks; looks at sizes only, the decoder checks the rest. */
function measurePng(bytes: Uint8Array, name: string, expectSize: ExpectSize): ImageSize {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts: Uint8Array[] = [];
  let ended = false;
  for (let at = 8; at + 12 <= bytes.length && !ended; ) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (at + 12 + length > bytes.length) {
      throw new FormatError(
        `${name}: truncated PNG, chunk ${JSON.stringify(type)} at byte ${at} takes ${length} bytes`,
      );
    }
    if ((at === 8) !== (type === "IHDR") || (at === 8 && length !== 13)) {
      throw new FormatError(
        `${name}: damaged PNG, expected one header, at byte 8, got ${JSON.stringify(type)} at byte ${at}`,
      );
    }
    if (type === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + length));
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
  return { width, height };
}

/** Walks the segments up to the first scan. */
function measureJpeg(bytes: Uint8Array, name: string, expectSize: ExpectSize): ImageSize {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let size: ImageSize | undefined;
  let at = 2;
  for (;;) {
    while (bytes[at] === 0xff && bytes[at + 1] === 0xff) at++;
    const marker = bytes[at + 1];
    if (at + 4 > bytes.length || bytes[at] !== 0xff || marker === undefined) {
      throw new FormatError(`${name}: damaged or truncated JPEG, expected a segment at byte ${at}`);
    }
    const length = view.getUint16(at + 2);
    if (length < 2 || at + 2 + length > bytes.length) {
      throw new FormatError(`${name}: truncated JPEG, the segment at byte ${at} takes ${length} bytes`);
    }
    if (marker === 0xda) break;
    // SOF0 .. SOF15, without the tables DHT, JPG and DAC that lie among them.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker) && length >= 8) {
      size ??= { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    }
    at += 2 + length;
  }
  if (size === undefined)
    throw new FormatError(`${name}: damaged JPEG, no frame before the scan at byte ${at}`);
  const end = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).lastIndexOf(Buffer.of(0xff, 0xd9));
  if (end < at) throw new FormatError(`${name}: truncated JPEG, no end after ${bytes.length} bytes`);
  expectSize(size);
  if (size.width * size.height > bytes.length * MOST_PIXELS_PER_JPEG_BYTE) {
    throw new FormatError(
      `${name}: ${size.width}x${size.height} pixels can't be in ${bytes.length} bytes of JPEG`,
    );
  }
  return size;
}
