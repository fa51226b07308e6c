/**
 * Decodes JPEG files with jpeg-js: baseline, extended and progressive frames of 8 bits in grey, YCbCr, RGB, CMYK or YCCK, which
 * are distinguished by libjpeg's rules. Refuses what jpeg-js can't decode (arithmetic coding, 12 bits, lossless and
 * hierarchical frames), truncated files and headers with more pixels than the bytes can hold.
 */
import jpeg from "jpeg-js";
import { jpegOrientation, jpegSegments, upright } from "../../data/images/orientation.ts";
import type { DecodedImage, ImageSize } from "../../data/images/resize.ts";
import { FormatError } from "../../validation/errors.ts";

/** A block of 8x8 pixels takes at least one bit. */
const MOST_PIXELS_PER_BYTE = 8 * 64;
const [SOS, EOI, DRI, APP0, APP14, COMMENT] = [0xda, 0xd9, 0xdd, 0xe0, 0xee, 0xfe];

const UNSUPPORTED_FRAMES: Readonly<Record<number, string>> = {
  195: "is lossless",
  197: "is hierarchical",
  198: "is hierarchical",
  199: "is hierarchical and lossless",
  201: "uses arithmetic coding",
  202: "uses arithmetic coding",
  203: "is lossless and uses arithmetic coding",
  205: "is hierarchical and uses arithmetic coding",
  206: "is hierarchical and uses arithmetic coding",
  207: "is hierarchical, lossless and uses arithmetic coding",
  247: "is JPEG-LS",
};

interface Frame extends ImageSize {
  readonly ids: readonly number[];
  /** Horizontal and vertical sampling factors of each component. */
  readonly sampling: readonly (readonly [h: number, v: number])[];
  readonly progressive: boolean;
  /** The frame segment without its marker. */
  readonly body: Uint8Array;
}

interface Parts {
  readonly frame: Frame;
  /** Frame, quantization and Huffman tables: what the decoder needs from before the first scan. */
  readonly tables: readonly Uint8Array[];
  /** From the first scan to the end marker. */
  readonly scans: Uint8Array;
  /** The colour transform in Adobe's segment. */
  readonly adobe: number | undefined;
  readonly jfif: boolean;
}

/** Throws FormatError, beginning with `name`. `expectSize` throws where the size is not allowed. */
export function decodeJpeg(
  bytes: Uint8Array,
  name: string,
  expectSize: (size: ImageSize) => void,
): DecodedImage {
  const parts = partsOf(bytes, name);
  const { frame, adobe, jfif } = parts;
  expectSize(frame);
  if (frame.width * frame.height > bytes.length * MOST_PIXELS_PER_BYTE) {
    throw new FormatError(
      `${name}: ${frame.width}x${frame.height} pixels can't be in ${bytes.length} bytes of JPEG`,
    );
  }
  // libjpeg's rule.
  const isRgb = !jfif && (adobe === undefined ? String.fromCharCode(...frame.ids) === "RGB" : adobe === 0);
  try {
    let image: DecodedImage;
    if (frame.ids.length !== 4) image = decode(parts, undefined, !isRgb);
    else image = adobe === undefined ? decodePlainCmyk(parts) : decode(parts, adobe);
    return upright(image, jpegOrientation(bytes));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError(`${name}: damaged JPEG file: ${reason}`, { cause });
  }
}

function partsOf(bytes: Uint8Array, name: string): Parts {
  let frame: Frame | undefined;
  let adobe: number | undefined;
  let jfif = false;
  const tables: Uint8Array[] = [];
  for (const { marker, start, end } of jpegSegments(bytes, name)) {
    const begins = (text: string) =>
      String.fromCharCode(...bytes.subarray(start + 4, start + 4 + text.length)) === text;
    const unsupported = UNSUPPORTED_FRAMES[marker];
    if (unsupported !== undefined) {
      throw new FormatError(
        `${name}: the JPEG ${unsupported}, which is not supported; save it as a baseline or progressive JPEG, or as PNG`,
      );
    }
    if (marker === SOS) {
      if (frame === undefined)
        throw new FormatError(`${name}: damaged JPEG, no frame before the scan at byte ${start}`);
      const scans = bytes.subarray(start, endOf(bytes, start, name));
      return { frame, tables, scans, adobe, jfif };
    }
    const isApplication = marker >= 0xe0 && marker <= 0xef;
    // A second frame stays in the tables: the decoder refuses it.
    if (isFrame(marker)) frame ??= frameOf(bytes.subarray(start + 2, end), marker, name, start);
    if (marker === APP14 && end - start >= 16 && begins("Adobe")) adobe = bytes[start + 15];
    if (marker === APP0 && begins("JFIF")) jfif = true;
    if (!isApplication && marker !== COMMENT) tables.push(bytes.subarray(start, end));
  }
  throw new FormatError(`${name}: truncated JPEG, no scan in ${bytes.length} bytes`);
}

/** Baseline, extended and progressive frames. */
const isFrame = (marker: number | undefined) => marker === 0xc0 || marker === 0xc1 || marker === 0xc2;

function frameOf(body: Uint8Array, marker: number, name: string, at: number): Frame {
  const [precision = 0, components = 0] = [body[2], body[7]];
  if (body.length !== 8 + 3 * components)
    throw new FormatError(`${name}: damaged JPEG, the frame at byte ${at} has a wrong length`);
  if (precision !== 8)
    throw new FormatError(`${name}: a JPEG of ${precision} bits per sample; only 8 bits are supported`);
  if (![1, 3, 4].includes(components))
    throw new FormatError(`${name}: a JPEG of ${components} components; 1, 3 and 4 are supported`);
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const each = Array.from({ length: components }, (_, i) => body.subarray(8 + 3 * i, 11 + 3 * i));
  return {
    height: view.getUint16(3),
    width: view.getUint16(5),
    ids: each.map(([id = 0]) => id),
    sampling: each.map(([, hv = 0x11]) => [hv >> 4, hv & 15] as const),
    progressive: marker === 0xc2,
    body,
  };
}

/** Offset after the end marker of the image whose first scan is at `start`. */
function endOf(bytes: Uint8Array, start: number, name: string): number {
  for (let at = bytes.indexOf(0xff, start + 2); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    if (bytes[at + 1] === EOI) return at + 2;
  }
  throw new FormatError(`${name}: truncated JPEG, no end after ${bytes.length} bytes`);
}

function decode(
  { frame, tables, scans }: Parts,
  adobe: number | undefined,
  colorTransform?: boolean,
): DecodedImage {
  const parts = [Uint8Array.of(0xff, 0xd8), ...(adobe === undefined ? [] : [adobeSegment(adobe)])];
  const hasRestarts = tables.some((table) => table[1] === DRI);
  const { width, height, data } = jpeg.decode(Buffer.concat([...parts, ...tables, scans]), {
    useTArray: true,
    // In grey images with restart markers jpeg-js looks for blocks after the last one; it must tolerate that there are none.
    tolerantDecoding: frame.ids.length === 1 && hasRestarts,
    ...(colorTransform === undefined ? {} : { colorTransform }),
    // jpeg-js allocates a second frame before it refuses it; the limit keeps that from being larger than the first.
    maxResolutionInMP: (frame.width * frame.height + 1) / 1e6,
    maxMemoryUsageInMB: 1024,
  });
  return { width, height, data };
}

const adobeSegment = (transform: number) =>
  Uint8Array.of(0xff, APP14, 0, 14, 0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, transform);

/**
 * CMYK without Adobe's segment, in which 255 is full ink. jpeg-js decodes only Adobe's inverted form and multiplies by black.
 * So the image is decoded twice, once with white for black and once with white for the colours, which gives both as stored.
 */
function decodePlainCmyk(parts: Parts): DecodedImage {
  const colours = decode(whitened(parts, [3]), 0);
  const black = decode(whitened(parts, [0, 1, 2]), 0);
  const data = colours.data.map((value, i) => {
    if (i % 4 === 3) return 255;
    return Math.round(((255 - value) * (255 - (black.data[i] as number))) / 255);
  });
  return { ...colours, data };
}

/** Adds a scan that sets all samples of `components` to 255. */
function whitened(parts: Parts, components: readonly number[]): Parts {
  const { frame, tables, scans } = parts;
  // Table 15: files use 0 to 3. Only the lowest frequency (DC) has a nonzero factor.
  const quantization = Uint8Array.of(0xff, 0xdb, 0, 67, 15, 1, ...new Array<number>(63).fill(0));
  // DC codes 00 and 01: differences of 0 and of ten bits. AC code 0: end of block.
  const dc = [0x0f, 0, 2, ...new Array<number>(14).fill(0), 0, 10];
  const ac = [0x1f, 1, ...new Array<number>(15).fill(0), 0];
  const huffman = Uint8Array.of(0xff, 0xc4, 0, 2 + dc.length + ac.length, ...dc, ...ac);
  const body = frame.body.slice();
  for (const component of components) body[8 + 3 * component + 2] = 15;
  const noRestarts = Uint8Array.of(0xff, DRI, 0, 4, 0, 0);
  const white = components.map((component) => {
    const id = frame.ids[component] as number;
    const last = frame.progressive ? 0 : 63;
    return [Uint8Array.of(0xff, SOS, 0, 8, 1, id, 0xff, 0, last, 0), whiteBlocks(frame, component)];
  });
  return {
    ...parts,
    tables: tables.map((table) => (isFrame(table[1]) ? Buffer.concat([table.subarray(0, 2), body]) : table)),
    scans: Buffer.concat([
      scans.subarray(0, -2),
      quantization,
      huffman,
      noRestarts,
      ...white.flat(),
      scans.subarray(-2),
    ]),
  };
}

/** The coded blocks of a component: a DC difference of 1016 = 8 (255 - 128) in the first, of 0 in the others. */
function whiteBlocks({ width, height, sampling, progressive }: Frame, component: number): Uint8Array {
  const [h, v] = sampling[component] as readonly [number, number];
  const most = [Math.max(...sampling.map(([a]) => a)), Math.max(...sampling.map(([, b]) => b))] as const;
  const blocks =
    Math.ceil((Math.ceil(width / 8) * h) / most[0]) * Math.ceil((Math.ceil(height / 8) * v) / most[1]);
  const end = progressive ? "" : "0";
  const first = `01${(1016).toString(2)}${end}`;
  const bitsPerBlock = 2 + end.length;
  const bytes = new Uint8Array(Math.ceil((first.length + (blocks - 1) * bitsPerBlock) / 8) + 1);
  [...first].forEach((bit, i) => {
    if (bit === "1") bytes[i >> 3] = (bytes[i >> 3] as number) | (0x80 >> (i & 7));
  });
  return bytes;
}
