/** Decodes PNG files with pngjs, after checking what pngjs does not: it fills in missing pixels, and trusts the header's size. */
import { constants, crc32, inflateSync } from "node:zlib";
import { PNG } from "pngjs";
import { exifOrientation, upright } from "../../data/images/orientation.ts";
import type { DecodedImage, ImageSize } from "../../data/images/resize.ts";
import { FormatError } from "../../validation/errors.ts";

/** Deflate compresses at most 1032 bytes to one. */
const MOST_DEFLATED = 1032;
/** Bytes after the last row that are ignored, as libpng does. */
const MOST_EXTRA_BYTES = 2 ** 16;
const FIRST_CHUNK = 8;

/** Allowed bits per sample, and samples per pixel, of each colour type. */
const COLOUR_TYPES: Readonly<Record<number, readonly [depths: readonly number[], perPixel: number]>> = {
  0: [[1, 2, 4, 8, 16], 1],
  2: [[8, 16], 3],
  3: [[1, 2, 4, 8], 1],
  4: [[8, 16], 2],
  6: [[8, 16], 4],
};
/** First column and row of each pass of an interlaced PNG, and the distances between its columns and rows. */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** Throws FormatError, beginning with `name`. `expectSize` throws where the size is not allowed. */
export function decodePng(
  bytes: Uint8Array,
  name: string,
  expectSize: (size: ImageSize) => void,
): DecodedImage {
  const { data, exif, end, wrongChecksum } = readChunks(bytes, name);
  const rawBytes = uncompressedSize(bytes, name, expectSize);
  const packed = data.reduce((sum, part) => sum + part.length, 0);
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const pixels = `${size.getUint32(16)}x${size.getUint32(20)} pixels`;
  if (rawBytes > packed * MOST_DEFLATED)
    throw new FormatError(`${name}: ${pixels} can't be in ${packed} bytes of PNG data`);
  if (wrongChecksum !== undefined) throw new FormatError(`${name}: damaged PNG, ${wrongChecksum}`);
  try {
    // A stream that ends too early may still hold all pixels.
    const options = { maxOutputLength: rawBytes + MOST_EXTRA_BYTES, finishFlush: constants.Z_SYNC_FLUSH };
    const { length } = inflateSync(Buffer.concat(data), options);
    if (length < rawBytes)
      throw new FormatError(`${name}: truncated PNG, ${pixels} take ${rawBytes} bytes, got ${length}`);
    // pngjs refuses bytes after the end, which some programs append and other decoders ignore.
    const image = PNG.sync.read(Buffer.from(bytes.subarray(0, end)), { checkCRC: false });
    const orientation = exif === undefined ? 1 : exifOrientation(exif);
    return upright({ width: image.width, height: image.height, data: image.data }, orientation);
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError(`${name}: damaged PNG file: ${reason}`, { cause });
  }
}

interface Chunks {
  /** The compressed pixels. */
  readonly data: readonly Uint8Array[];
  readonly exif: Uint8Array | undefined;
  /** Offset of the first byte after the last chunk. */
  readonly end: number;
  /** The first chunk with a wrong checksum. */
  readonly wrongChecksum: string | undefined;
}

function readChunks(bytes: Uint8Array, name: string): Chunks {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const data: Uint8Array[] = [];
  let exif: Uint8Array | undefined;
  let wrongChecksum: string | undefined;
  for (let at = FIRST_CHUNK; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const place = `${JSON.stringify(type)} at byte ${at}`;
    const end = at + 8 + length;
    if (end + 4 > bytes.length)
      throw new FormatError(`${name}: truncated PNG, chunk ${place} takes ${length} bytes`);
    if (type === "CgBI")
      throw new FormatError(`${name}: a PNG in Apple's own form (CgBI); save it as a standard PNG`);
    if ((at === FIRST_CHUNK) !== (type === "IHDR") || (at === FIRST_CHUNK && length !== 13))
      throw new FormatError(`${name}: damaged PNG, expected one header, at byte 8, got ${place}`);
    if (crc32(bytes.subarray(at + 4, end)) !== view.getUint32(end))
      wrongChecksum ??= `chunk ${place} does not have its checksum`;
    if (type === "IDAT") data.push(bytes.subarray(at + 8, end));
    if (type === "eXIf") exif ??= bytes.subarray(at + 8, end);
    at = end + 4;
    if (type === "IEND") return { data, exif, end: at, wrongChecksum };
  }
  throw new FormatError(`${name}: truncated PNG, no end after ${bytes.length} bytes`);
}

/** Bytes of all rows, each with its filter byte, as the header describes them. */
function uncompressedSize(bytes: Uint8Array, name: string, expectSize: (size: ImageSize) => void): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const [depth, colour, interlaced] = [view.getUint8(24), view.getUint8(25), view.getUint8(28) === 1];
  expectSize({ width, height });
  const [depths = [], perPixel = 1] = COLOUR_TYPES[colour] ?? [];
  if (!depths.includes(depth))
    throw new FormatError(`${name}: damaged PNG, ${depth} bits per sample and colour type ${colour}`);
  const passes = interlaced ? PASSES : ([[0, 0, 1, 1]] as const);
  return passes.reduce((sum, [x, y, dx, dy]) => {
    const [columns, rows] = [Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)];
    const isEmpty = columns <= 0 || rows <= 0;
    return isEmpty ? sum : sum + rows * (Math.ceil((columns * depth * perPixel) / 8) + 1);
  }, 0);
}
