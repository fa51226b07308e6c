/**
 * JPEG files as pixels, with jpeg-js: baseline, extended and progressive frames of 8 bits; grey, YCbCr, RGB, CMYK and
 * YCCK, told apart as libjpeg does it.
 * Refuses, naming it, what jpeg-js can't decode (arithmetic coding, 12 bits, lossless and hierarchical frames), truncated
 * files and headers that claim more pixels than the bytes can hold.
 */
import jpeg from "jpeg-js";
import { FormatError } from "../../common/errors.ts";
import { jpegSegments, type Segment } from "../../data/images/orientation.ts";
import type { DecodedImage, ImageSize } from "../../data/images/resize.ts";

/** A block of 64 values takes at least one bit of a JPEG, and a sample at most one block per 8x8 pixels. */
const MOST_PIXELS_PER_BYTE = 8 * 64;
const [SOS, EOI, DRI, APP14] = [0xda, 0xd9, 0xdd, 0xee];

const OTHER_FRAMES: Readonly<Record<number, string>> = {
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
  /** Horizontal and vertical sampling of each component. */
  readonly sampling: readonly (readonly [h: number, v: number])[];
  readonly progressive: boolean;
  /** The segment without the marker. */
  readonly body: Uint8Array;
}

interface Parts {
  readonly frame: Frame;
  /** What the decoder needs of what stands before the first scan, without the frame. */
  readonly tables: readonly Uint8Array[];
  /** From the first scan to the end. */
  readonly scans: Uint8Array;
  /** The colour transform of Adobe's segment. */
  readonly adobe: number | undefined;
  readonly jfif: boolean;
}

/** `expectSize` throws where the size is more than the caller wants. Throws FormatError, beginning with `name`. */
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
  try {
    if (frame.ids.length === 4) return adobe === undefined ? plainCmyk(parts) : decode(parts, adobe);
    // libjpeg's rule.
    const isRgb = !jfif && (adobe === undefined ? String.fromCharCode(...frame.ids) === "RGB" : adobe === 0);
    return decode(parts, undefined, !isRgb);
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
  const text = ({ start }: Segment, length: number) =>
    String.fromCharCode(...bytes.subarray(start + 4, start + 4 + length));
  for (const segment of jpegSegments(bytes, name)) {
    const { marker, start, end } = segment;
    const other = OTHER_FRAMES[marker];
    if (other !== undefined) {
      throw new FormatError(
        `${name}: the JPEG ${other}, which is not read; save it as a baseline or progressive JPEG, or as PNG`,
      );
    }
    if (marker === SOS) {
      if (frame === undefined)
        throw new FormatError(`${name}: damaged JPEG, no frame before the scan at byte ${start}`);
      const scans = bytes.subarray(start, endOf(bytes, start, name));
      return { frame, tables, scans, adobe, jfif };
    }
    if (marker >= 0xc0 && marker <= 0xc2) {
      frame ??= frameOf(bytes.subarray(start + 2, end), marker, name, start);
      // A second frame is refused by the decoder.
      tables.push(bytes.subarray(start, end));
    } else if (marker === APP14 && end - start >= 16 && text(segment, 5) === "Adobe") {
      adobe = bytes[start + 15];
    } else if (marker === 0xe0 && text(segment, 4) === "JFIF") jfif = true;
    else if (marker < 0xe0 || (marker > 0xef && marker !== 0xfe)) tables.push(bytes.subarray(start, end));
  }
  throw new FormatError(`${name}: truncated JPEG, no scan in ${bytes.length} bytes`);
}

function frameOf(body: Uint8Array, marker: number, name: string, at: number): Frame {
  const [precision = 0, components = 0] = [body[2], body[7]];
  if (body.length !== 8 + 3 * components)
    throw new FormatError(`${name}: damaged JPEG, the frame at byte ${at} has a wrong length`);
  if (precision !== 8)
    throw new FormatError(`${name}: a JPEG of ${precision} bits per sample, only 8 bits are read`);
  if (![1, 3, 4].includes(components))
    throw new FormatError(`${name}: a JPEG of ${components} components; 1, 3 and 4 are read`);
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

/** Where the image that begins with the scan at `start` ends, its end marker included. */
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
    // It looks for blocks behind the last one of a grey image with restart markers, and must leave them out.
    tolerantDecoding: frame.ids.length === 1 && hasRestarts,
    ...(colorTransform === undefined ? {} : { colorTransform }),
    // No frame behind the first one may be larger than it: the decoder makes room for each before it refuses a second.
    maxResolutionInMP: (frame.width * frame.height + 1) / 1e6,
    maxMemoryUsageInMB: 1024,
  });
  return { width, height, data };
}

const adobeSegment = (transform: number) =>
  Uint8Array.of(0xff, APP14, 0, 14, 0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, transform);

/**
 * Cyan, magenta, yellow and black without Adobe's segment, in which 255 is full ink; Adobe stores them inverted, and the
 * decoder reads nothing else. Decoded twice, with white in place of black and with white in place of the colours, so that
 * both come out as they are stored.
 */
function plainCmyk(parts: Parts): DecodedImage {
  const inks = decode(whitened(parts, [3]), 0);
  const black = decode(whitened(parts, [0, 1, 2]), 0);
  const data = inks.data.map((value, i) => {
    if (i % 4 === 3) return 255;
    return Math.round(((255 - value) * (255 - (black.data[i] as number))) / 255);
  });
  return { ...inks, data };
}

/** With another scan, which sets all samples of these components to 255. */
function whitened(parts: Parts, components: readonly number[]): Parts {
  const { frame, tables, scans } = parts;
  // Table 15 is no file's: those of files are 0 to 3. Of the frequencies only the lowest counts.
  const quantization = Uint8Array.of(0xff, 0xdb, 0, 67, 15, 1, ...new Array<number>(63).fill(0));
  // Codes 00 and 01 for differences of 0 and of ten bits; code 0 for the end of a block.
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
    tables: [
      ...tables.map((table) => (isFrame(table) ? Buffer.concat([table.subarray(0, 2), body]) : table)),
    ],
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

const isFrame = ({ 1: marker = 0 }: Uint8Array) => marker >= 0xc0 && marker <= 0xc2;

/** The bits of a component's blocks: a difference of 1016 = 8 (255 - 128) in the first, of 0 in the others. */
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
