/**
 * Reads a zip archive in memory, as `.npz` files are: stored and deflated entries, found through the directory at the
 * end, checked by size and CRC-32.
 * Refuses encrypted, doubled and overlapping entries, archives beyond 4 GB or of several parts, and contents above a
 * limit however small the archive is. Format: PKWARE's APPNOTE 6.3.
 */
import { FormatError } from "../errors.ts";
import { DEFAULT_LIMIT, inflate } from "./inflate.ts";

const END = 0x06054b50;
const DIRECTORY = 0x02014b50;
const LOCAL = 0x04034b50;
const MOST_ENTRIES = 65_535;

interface Entry {
  readonly path: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly start: number;
}

export interface ZipOptions {
  /** Named in errors. */
  readonly name?: string;
  /** Largest content of all entries together, in bytes; default 1 GiB. */
  readonly limit?: number;
}

/** The files of the archive by path. */
export async function unzip(bytes: Uint8Array, options: ZipOptions = {}): Promise<Map<string, Uint8Array>> {
  const { name = "zip data", limit = DEFAULT_LIMIT } = options;
  const entries = readDirectory(bytes, name);
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  if (total > limit)
    throw new FormatError(`${name}: its ${total} bytes are more than the limit of ${limit} bytes`);
  const files = new Map<string, Uint8Array>();
  for (const entry of entries) {
    if (!entry.path.endsWith("/")) files.set(entry.path, await extract(bytes, entry, name));
  }
  return files;
}

function readDirectory(bytes: Uint8Array, name: string): Entry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = findEnd(view, name);
  const count = view.getUint16(end + 10, true);
  const start = view.getUint32(end + 16, true);
  if (view.getUint16(end + 4, true) !== 0 || view.getUint16(end + 8, true) !== count) {
    throw new FormatError(`${name}: one part of a zip archive in several parts`);
  }
  if (start === 0xffffffff || count === MOST_ENTRIES) {
    throw new FormatError(`${name}: a zip archive of more than 4 GB or ${MOST_ENTRIES} entries (zip64)`);
  }
  const entries: Entry[] = [];
  let at = start;
  for (let i = 0; i < count; i++) {
    if (at + 46 > end || view.getUint32(at, true) !== DIRECTORY) {
      throw new FormatError(`${name}: expected entry ${i} of ${count} of the zip directory at byte ${at}`);
    }
    const [path, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true)) as [
      number,
      number,
      number,
    ];
    if (at + 46 + path > end)
      throw new FormatError(`${name}: the zip directory at byte ${at} reaches past its end`);
    const entry = {
      path: new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + path)),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
    };
    const where = `${name}: ${JSON.stringify(entry.path)}`;
    if (view.getUint16(at + 8, true) & 1) throw new FormatError(`${where} is encrypted`);
    if (entry.method !== 0 && entry.method !== 8) {
      throw new FormatError(
        `${where} is packed by method ${entry.method}; stored (0) and deflated (8) are read`,
      );
    }
    if (entries.some((other) => other.path === entry.path)) throw new FormatError(`${where} is there twice`);
    entries.push({
      ...entry,
      start: contentStart(view, view.getUint32(at + 42, true), entry.packed, start, where),
    });
    at += 46 + path + extra + comment;
  }
  expectApart(entries, name);
  return entries;
}

/** Where an entry's content begins: behind its local header, whose lengths may differ from the directory's. */
function contentStart(view: DataView, at: number, packed: number, end: number, where: string): number {
  if (at + 30 > end || view.getUint32(at, true) !== LOCAL) {
    throw new FormatError(`${where}: expected its zip header at byte ${at}`);
  }
  const start = at + 30 + view.getUint16(at + 26, true) + view.getUint16(at + 28, true);
  if (start + packed > end) {
    throw new FormatError(`${where}: takes ${packed} bytes from byte ${start} on, which is past the end`);
  }
  return start;
}

/** Entries that share bytes are how a small archive claims to hold petabytes. */
function expectApart(entries: readonly Entry[], name: string): void {
  let free = 0;
  for (const { path, start, packed } of [...entries].sort((a, b) => a.start - b.start)) {
    if (start < free)
      throw new FormatError(`${name}: ${JSON.stringify(path)} overlaps another entry at byte ${start}`);
    free = start + packed;
  }
}

/** The end record, which a comment of up to 64 KiB may follow. */
function findEnd(view: DataView, name: string): number {
  const least = Math.max(0, view.byteLength - 22 - 65_535);
  for (let at = view.byteLength - 22; at >= least; at--) {
    const fits =
      view.getUint32(at, true) === END && at + 22 + view.getUint16(at + 20, true) === view.byteLength;
    if (fits) return at;
  }
  throw new FormatError(
    `${name}: not a zip archive, or a truncated one: no end record in ${view.byteLength} bytes`,
  );
}

async function extract(bytes: Uint8Array, entry: Entry, name: string): Promise<Uint8Array> {
  const { path, method, start, packed, size, crc } = entry;
  const where = `${name}: ${JSON.stringify(path)}`;
  const raw = bytes.subarray(start, start + packed);
  const content =
    method === 0
      ? Uint8Array.from(raw)
      : await inflate(
          raw,
          "deflate-raw",
          { limit: size, expected: size },
          {
            damaged: `${where}: damaged or truncated`,
            tooLarge: `${where}: the content`,
          },
        );
  if (content.length !== size) {
    throw new FormatError(`${where}: expected ${size} bytes as the directory says, got ${content.length}`);
  }
  const got = crc32(content);
  if (got !== crc) throw new FormatError(`${where}: damaged, expected CRC-32 ${crc}, got ${got}`);
  return content;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let word = byte;
  for (let bit = 0; bit < 8; bit++) word = word & 1 ? (word >>> 1) ^ 0xedb88320 : word >>> 1;
  return word;
});

/** ISO 3309, as zip, gzip and PNG use it. */
export function crc32(bytes: Uint8Array): number {
  let word = 0xffffffff;
  for (const byte of bytes) word = (word >>> 8) ^ (CRC_TABLE[(word ^ byte) & 0xff] as number);
  return ~word >>> 0;
}
