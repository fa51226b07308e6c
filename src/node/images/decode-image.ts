/**
 * Decodes PNG and JPEG files; photographs are rotated upright by their Exif orientation. Refuses other formats (naming them),
 * truncated and damaged files, and more pixels than allowed or than the file's bytes can hold, before memory is allocated.
 */

import { fileKind } from "../../data/formats/file-kind.ts";
import type { DecodedImage, ImageSize } from "../../data/images/resize.ts";
import { FormatError } from "../../validation/errors.ts";
import { decodeJpeg } from "./decode-jpeg.ts";
import { decodePng } from "./decode-png.ts";

const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

export interface DecodeOptions {
  /** Named in errors; default "image". */
  readonly name?: string;
  /** Most pixels; default 40 million. */
  readonly mostPixels?: number;
}

/** Throws FormatError, beginning with the name. */
export function decodeImage(bytes: Uint8Array, options: DecodeOptions = {}): DecodedImage {
  const { name = "image", mostPixels = 40_000_000 } = options;
  const isPng = PNG_SIGNATURE.every((byte, i) => bytes[i] === byte);
  const isJpeg = bytes[0] === 0xff && bytes[1] === 0xd8;
  if (!isPng && !isJpeg) {
    const start = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const kind = fileKind(bytes);
    const advice = kind === undefined ? "" : `: it is ${kind}; convert it to PNG or JPEG`;
    throw new FormatError(`${name}: neither PNG nor JPEG, it begins with ${start || "nothing"}${advice}`);
  }
  const expectSize = ({ width, height }: ImageSize) => {
    const size = `${width}x${height}`;
    if (width * height === 0) throw new FormatError(`${name}: ${isPng ? "PNG" : "JPEG"} of ${size} pixels`);
    if (width * height > mostPixels)
      throw new FormatError(`${name}: ${size} pixels are more than the limit of ${mostPixels}`);
  };
  return isPng ? decodePng(bytes, name, expectSize) : decodeJpeg(bytes, name, expectSize);
}
