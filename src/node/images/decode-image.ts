/**
 * PNG and JPEG files as pixels, with pngjs and jpeg-js; photographs upright, as their Exif part says.
 * Refuses other formats, truncated and damaged files, more pixels than the caller allows, and files whose header claims
 * far more pixels than their bytes can hold, before anything of that size is allocated.
 */
import { constants, crc32, inflateSync } from "node:zlib";
import { PNG } from "pngjs";
import { FormatError } from "../../common/errors.ts";
import { fileKind } from "../../data/formats/file-kind.ts";
import { exifOrientation, jpegOrientation, upright } from "../../data/images/orientation.ts";
import type { DecodedImage, ImageSize } from "../../data/images/resize.ts";
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
  const { exif, end } = checkPng(bytes, name, expectSize);
  try {
    // The decoder refuses bytes behind the end, which programs append and other decoders ignore.
    const { width, height, data } = PNG.sync.read(Buffer.from(bytes.subarray(0, end)), { checkCRC: false });
    return upright({ width, height, data }, exif === undefined ? 1 : exifOrientation(exif));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError(`${name}: damaged PNG file: ${reason}`, { cause });
  }
}

type ExpectSize = (size: ImageSize) => void;

/** Bits per sample that a colour type may have, and samples per pixel. */
const PNG_COLOURS: Readonly<Record<number, readonly [depths: readonly number[], perPixel: number]>> = {
  0: [[1, 2, 4, 8, 16], 1],
  2: [[8, 16], 3],
  3: [[1, 2, 4, 8], 1],
  4: [[8, 16], 2],
  6: [[8, 16], 4],
};
/** First column and row of each pass of an interlaced PNG, and the steps to the next. */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;
/** Bytes of pixels beyond the last row that are ignored, as libpng does. */
const SPARE = 2 ** 16;

interface PngParts {
  /** What Exif says, if it is there. */
  readonly exif: Uint8Array | undefined;
  /** Where the file ends, whatever follows. */
  readonly end: number;
}

/** Checks chunks, header and the number of pixels: the decoder invents pixels that are missing. Throws FormatError. */
function checkPng(bytes: Uint8Array, name: string, expectSize: ExpectSize): PngParts {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts: Uint8Array[] = [];
  let ended = false;
  let exif: Uint8Array | undefined;
  let damaged: string | undefined;
  let at = 8;
  while (at + 12 <= bytes.length && !ended) {
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
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length))
      damaged ??= `chunk ${JSON.stringify(type)} at byte ${at} does not have its checksum`;
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
  const [depths = [], perPixel = 1] = PNG_COLOURS[colour] ?? [];
  if (!depths.includes(depth))
    throw new FormatError(`${name}: damaged PNG, ${depth} bits per sample and colour type ${colour}`);
  const bits = depth * perPixel;
  const bytesOf = (columns: number, rows: number) =>
    columns > 0 && rows > 0 ? rows * (Math.ceil((columns * bits) / 8) + 1) : 0;
  const interlaced = bytes[28] === 1;
  const rawBytes = interlaced
    ? PASSES.map(([x, y, dx, dy]) =>
        bytesOf(Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)),
      ).reduce((sum, pass) => sum + pass, 0)
    : bytesOf(width, height);
  const packed = parts.reduce((sum, part) => sum + part.length, 0);
  if (rawBytes > packed * MOST_DEFLATED) {
    throw new FormatError(`${name}: ${width}x${height} pixels can't be in ${packed} bytes of PNG data`);
  }
  if (damaged !== undefined) throw new FormatError(`${name}: damaged PNG, ${damaged}`);
  const raw = inflated(parts, rawBytes + SPARE, name);
  if (raw.length < rawBytes) {
    throw new FormatError(
      `${name}: truncated PNG, ${width}x${height} pixels take ${rawBytes} bytes, got ${raw.length}`,
    );
  }
  return { exif, end: at };
}

function inflated(parts: readonly Uint8Array[], maxOutputLength: number, name: string): Uint8Array {
  try {
    // A stream that ends early may hold all pixels.
    return inflateSync(Buffer.concat(parts), { maxOutputLength, finishFlush: constants.Z_SYNC_FLUSH });
  } catch (cause) {
    throw new FormatError(`${name}: damaged PNG file: ${(cause as Error).message}`, { cause });
  }
}
