/** PNG and JPEG fuzzed through the decoders that Node uses: 10,000 mutants each, half of the PNGs with right checksums. */
import jpeg from "jpeg-js";
import { PNG, type PNGOptions } from "pngjs";
import { expect, test } from "vitest";
import { crc32 } from "../../src/data/archives/zip.ts";
import { decodeImage } from "../../src/node/images/decode-image.ts";
import { type FuzzFormat, fuzz } from "../support/fuzz.ts";
import { rawJpeg } from "../support/raw-jpeg.ts";
import { rawPng } from "../support/raw-png.ts";

const COUNT = 10_000;
const MOST_PIXELS = 4096;

function png(colorType: 0 | 2 | 6, options: PNGOptions = {}): Uint8Array {
  const image = new PNG({ width: 7, height: 5 });
  image.data = Buffer.from(Array.from({ length: 4 * 35 }, (_, i) => (i % 4 === 3 ? 255 : i)));
  return PNG.sync.write(image, { colorType, ...options });
}
const jpg = (width: number, height: number, quality: number) =>
  jpeg.encode({ width, height, data: Buffer.alloc(width * height * 4).map((_, i) => i * 7) }, quality).data;

/** A photograph that lies on its side. */
function turned(bytes: Uint8Array): Uint8Array {
  const tiff = [0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0];
  const segment = Buffer.concat([
    Buffer.from([0xff, 0xe1, 0, tiff.length + 8]),
    Buffer.from("Exif\0\0"),
    Buffer.from(tiff),
  ]);
  return Buffer.concat([bytes.subarray(0, 2), segment, bytes.subarray(2)]);
}

/** Puts the checksum of each chunk right, as far as their lengths lead. */
function repairPng(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    if (at + 12 + length > bytes.length) return;
    view.setUint32(at + 8 + length, crc32(bytes.subarray(at + 4, at + 8 + length)));
    at += 12 + length;
  }
}

const read = (bytes: Uint8Array, file: string) => {
  const { width, height, data } = decodeImage(bytes, { name: file, mostPixels: MOST_PIXELS });
  return width * height <= MOST_PIXELS && data.length === 4 * width * height;
};
const formats: FuzzFormat[] = [
  {
    name: "PNG",
    files: [
      png(0),
      png(2),
      png(6),
      rawPng({ width: 8, height: 8, interlaced: true }, new Uint8Array(64 + 15)),
      rawPng({ width: 9, height: 2, depth: 1, colour: 3, palette: Buffer.alloc(6, 99) }, new Uint8Array(6)),
    ],
    words: ["IHDR", "IDAT", "PLTE", "tRNS", "IEND", "gAMA"],
    repair: repairPng,
    read,
  },
  {
    name: "JPEG",
    files: [
      jpg(8, 8, 50),
      jpg(17, 9, 90),
      turned(jpg(17, 9, 90)),
      rawJpeg({ values: [1, 2, 3, 4], blocks: 3, restart: 2 }),
      rawJpeg({ values: [1, 2, 3], frame: 0xc2, ids: [82, 71, 66] }),
    ],
    words: ["\u00ff", "JFIF", "Adobe", "Exif"],
    read,
  },
];

test("photographs are turned upright", () => {
  expect(decodeImage(turned(jpg(17, 9, 90)))).toMatchObject({ width: 9, height: 17 });
});

test.each(formats)("$name", async (format) => {
  for (const file of format.files) expect(await format.read(file, "file")).toBe(true);
  const { refused, accepted, failures, slowestMs } = await fuzz(format, COUNT);
  expect(failures.slice(0, 3), `${failures.length} failures`).toEqual([]);
  expect(refused + accepted).toBe(COUNT);
  expect(accepted).toBeGreaterThan(COUNT / 100);
  console.info(
    `${format.name}: ${refused} refused, ${accepted} accepted, slowest ${slowestMs.toFixed(0)} ms`,
  );
});
