/**
 * Reads zip archives in memory, as `.npz` files are: stored and deflated entries, found through the directory at the end
 * of the archive, checked by size and CRC-32. Refuses encrypted, doubled and overlapping entries, archives beyond 4 GB or
 * of several parts, and contents above a limit. Format: PKWARE's APPNOTE 6.3.
 */

import { FormatError } from "../../validation/errors.ts";
import { expectFormat } from "../../validation/expect.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import { quote } from "../../validation/printable.ts";
import { DEFAULT_LIMIT, inflate } from "./inflate.ts";

const END_SIGNATURE = 0x06054b50;
const DIRECTORY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const END_BYTES = 22;
const DIRECTORY_BYTES = 46;
const LOCAL_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;
const MOST_ENTRIES = 65_535;
/** Value of a 32-bit field whose number is in a zip64 record. */
const ZIP64 = 0xffffffff;
/** Entries that are decompressed concurrently: each waits for the host a few times. */
const AT_ONCE = 16;

interface Entry {
  readonly path: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  /** Where the content begins. */
  readonly start: number;
  /** Why the content can't be read. */
  readonly fault: FormatError | undefined;
}

export interface ZipOptions {
  /** Named in errors. */
  readonly name?: string;
  /** Largest content of all entries together, in bytes; default 1 GiB. */
  readonly limit?: number;
}

export const ZIP = { name: "string", limit: "number" } as const satisfies OptionKinds<ZipOptions>;

/** The files of the archive by path. Rejects with a FormatError where one can't be read. */
export async function unzip(bytes: Uint8Array, options: ZipOptions = {}): Promise<Map<string, Uint8Array>> {
  return unzipReadable(bytes, options, (_, fault) => {
    throw fault;
  });
}

/** As `unzip`, but calls `onFault` for files that can't be read. Rejects where the archive itself is damaged. */
export async function unzipReadable(
  bytes: Uint8Array,
  options: ZipOptions,
  onFault: (path: string, fault: FormatError) => void,
): Promise<Map<string, Uint8Array>> {
  const { name = "zip data", limit = DEFAULT_LIMIT } = checkOptions("unzip", options, ZIP);
  const entries = readDirectory(bytes, name);
  const readable = entries.filter(({ fault }) => fault === undefined);
  expectApart(readable, name);
  const total = readable.reduce((sum, { size }) => sum + size, 0);
  expectFormat(total <= limit, `${name}: its ${total} bytes are more than the limit of ${limit} bytes`);
  const files = new Map<string, Uint8Array>();
  const wanted = entries.filter(({ path }) => !path.endsWith("/"));
  for (let i = 0; i < wanted.length; i += AT_ONCE) {
    const some = wanted.slice(i, i + AT_ONCE);
    const contents = await Promise.allSettled(some.map((entry) => extract(bytes, entry, name)));
    for (const [k, content] of contents.entries()) {
      const { path } = some[k] as Entry;
      if (content.status === "fulfilled") files.set(path, content.value);
      else if (content.reason instanceof FormatError) onFault(path, content.reason);
      else throw content.reason;
    }
  }
  return files;
}

function readDirectory(bytes: Uint8Array, name: string): Entry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = findEnd(view, name);
  const count = view.getUint16(end + 10, true);
  const start = view.getUint32(end + 16, true);
  expectFormat(
    view.getUint16(end + 4, true) === 0 && view.getUint16(end + 8, true) === count,
    `${name}: one part of a zip archive in several parts`,
  );
  expectFormat(
    start !== ZIP64 && count !== MOST_ENTRIES,
    `${name}: a zip archive of more than 4 GB or ${MOST_ENTRIES} entries (zip64)`,
  );
  const entries = new Map<string, Entry>();
  const decoder = new TextDecoder();
  let at = start;
  for (let i = 0; i < count; i++) {
    expectFormat(
      at + DIRECTORY_BYTES <= end && view.getUint32(at, true) === DIRECTORY_SIGNATURE,
      `${name}: expected entry ${i} of ${count} of the zip directory at byte ${at}`,
    );
    const pathEnd = at + DIRECTORY_BYTES + view.getUint16(at + 28, true);
    expectFormat(pathEnd <= end, `${name}: the zip directory at byte ${at} reaches past its end`);
    const path = decoder.decode(bytes.subarray(at + DIRECTORY_BYTES, pathEnd));
    const where = `${name}: ${quote(path)}`;
    expectFormat(!entries.has(path), `${where} is there twice`);
    const [packed, size] = [view.getUint32(at + 20, true), view.getUint32(at + 24, true)];
    const method = view.getUint16(at + 10, true);
    const local = view.getUint32(at + 42, true);
    const content = contentStart(view, local, packed, start);
    let fault = typeof content === "string" ? `: ${content}` : "";
    if (packed === ZIP64 || size === ZIP64) fault = " takes more than 4 GB (zip64)";
    if (method !== STORED && method !== DEFLATED)
      fault = ` is packed by method ${method}; stored (0) and deflated (8) are read`;
    if (view.getUint16(at + 8, true) & 1) fault = " is encrypted";
    entries.set(path, {
      path,
      method,
      crc: view.getUint32(at + 16, true),
      packed,
      size,
      start: Number(content),
      fault: fault === "" ? undefined : new FormatError(`${where}${fault}`),
    });
    at = pathEnd + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return [...entries.values()];
}

/** Finds the end record, which a comment of up to 64 KiB may follow. */
function findEnd(view: DataView, name: string): number {
  const size = view.byteLength;
  for (let at = size - END_BYTES; at >= Math.max(0, size - END_BYTES - 65_535); at--) {
    const comment = view.getUint16(at + END_BYTES - 2, true);
    if (view.getUint32(at, true) === END_SIGNATURE && at + END_BYTES + comment === size) return at;
  }
  throw new FormatError(`${name}: not a zip archive, or a truncated one: no end record in ${size} bytes`);
}

/**
 * Where an entry's content begins: after its local header, whose lengths may differ from the directory's. Returns a text
 * with the reason where it is not within the archive.
 */
function contentStart(view: DataView, at: number, packed: number, end: number): number | string {
  if (at + LOCAL_BYTES > end || view.getUint32(at, true) !== LOCAL_SIGNATURE)
    return `expected its zip header at byte ${at}`;
  const start = at + LOCAL_BYTES + view.getUint16(at + 26, true) + view.getUint16(at + 28, true);
  if (start + packed > end) return `takes ${packed} bytes from byte ${start} on, which is past the end`;
  return start;
}

/** Entries that share bytes let a small archive expand to petabytes. */
function expectApart(entries: readonly Entry[], name: string): void {
  let free = 0;
  for (const { path, start, packed } of entries.toSorted((a, b) => a.start - b.start)) {
    expectFormat(start >= free, `${name}: ${quote(path)} overlaps another entry at byte ${start}`);
    free = start + packed;
  }
}

async function extract(bytes: Uint8Array, entry: Entry, name: string): Promise<Uint8Array> {
  const { path, method, start, packed, size, crc, fault } = entry;
  if (fault !== undefined) throw fault;
  const where = `${name}: ${quote(path)}`;
  const raw = bytes.subarray(start, start + packed);
  const messages = { damaged: `${where}: damaged or truncated`, tooLarge: `${where}: the content` };
  const content =
    method === STORED
      ? Uint8Array.from(raw)
      : await inflate(raw, { format: "deflate-raw", limit: size, expected: size, ...messages });
  expectFormat(
    content.length === size,
    `${where}: expected ${size} bytes as the directory says, got ${content.length}`,
  );
  const got = crc32(content);
  expectFormat(got === crc, `${where}: damaged, expected CRC-32 ${crc}, got ${got}`);
  return content;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let word = byte;
  for (let bit = 0; bit < 8; bit++) word = word & 1 ? (word >>> 1) ^ 0xedb88320 : word >>> 1;
  return word;
});

/** CRC-32 of ISO 3309, which zip, gzip and PNG use. */
export function crc32(bytes: Uint8Array): number {
  let word = 0xffffffff;
  for (const byte of bytes) word = (word >>> 8) ^ (CRC_TABLE[(word ^ byte) & 0xff] as number);
  return ~word >>> 0;
}
