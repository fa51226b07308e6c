/** PNG files from filtered rows of bytes, also of kinds that encoders don't write: interlaced, with a palette. Node only. */
import { deflateSync } from "node:zlib";
import { crc32 } from "../../src/data/archives/zip.ts";

function chunk(type: string, content: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type), content]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(content.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

export interface RawPng {
  readonly width: number;
  readonly height: number;
  readonly depth?: number;
  /** As in the file: 0 grey (the default), 2 colour, 3 palette, 4 grey with alpha, 6 colour with alpha. */
  readonly colour?: number;
  readonly interlaced?: boolean;
  readonly palette?: Uint8Array;
}

/** `raw` is what gets deflated: a filter byte before each row of each pass. */
export function rawPng(about: RawPng, raw: Uint8Array): Buffer {
  const { width, height, depth = 8, colour = 0, interlaced = false, palette } = about;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colour, 0, 0, interlaced ? 1 : 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    ...(palette ? [chunk("PLTE", palette)] : []),
    chunk("IDAT", deflateSync(raw)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
