/**
 * Reads a zip archive in memory, as `.npz` files are: stored and deflated entries, found through the directory at the
 * end, checked by size and CRC-32.
 * Refuses encrypted, doubled and overlapping entries, archives beyond 4 GB or of several parts, and contents above a
 * limit however small the archive is. Format: PKWARE's APPNOTE 6.3.
 */
import { FormatError } from "../../common/errors.ts";
import { checkOptions, type OptionKinds } from "../../common/options.ts";
import { quote } from "../../common/printable.ts";
import { DEFAULT_LIMIT, inflate } from "./inflate.ts";

const END = 0x06054b50;
const DIRECTORY = 0x02014b50;
const LOCAL = 0x04034b50;
const MOST_ENTRIES = 65_535;
/** Entries that are unpacked side by side: each waits for the host a few times. */
const AT_ONCE = 16;

interface Entry {
  readonly path: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly start: number;
  /** Why it can't be read. */
  readonly fault?: FormatError;
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
  return unzipSome(bytes, options, (_, fault) => {
    throw fault;
  });
}

/** As `unzip`; of files that can't be read `onFault` is told. Rejects where the archive itself is unsound. */
export async function unzipSome(
  bytes: Uint8Array,
  options: ZipOptions,
  onFault: (path: string, fault: FormatError) => void,
): Promise<Map<string, Uint8Array>> {
  const { name = "zip data", limit = DEFAULT_LIMIT } = checkOptions("unzip", options, ZIP);
  const entries = readDirectory(bytes, name);
  const total = entries.reduce((sum, { size, fault }) => sum + (fault === undefined ? size : 0), 0);
  if (total > limit)
    throw new FormatError(`${name}: its ${total} bytes are more than the limit of ${limit} bytes`);
  const files = new Map<string, Uint8Array>();
  const wanted = entries.filter(({ path }) => !path.endsWith("/"));
  for (let i = 0; i < wanted.length; i += AT_ONCE) {
    const some = wanted.slice(i, i + AT_ONCE);
    const contents = await Promise.allSettled(some.map((entry) => extract(bytes, entry, name)));
    contents.forEach((content, k) => {
      const { path } = some[k] as Entry;
      if (content.status === "fulfilled") files.set(path, content.value);
      else if (content.reason instanceof FormatError) onFault(path, content.reason);
      else throw content.reason;
    });
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
  const paths = new Set<string>();
  const decoder = new TextDecoder();
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
      path: decoder.decode(bytes.subarray(at + 46, at + 46 + path)),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
    };
    const where = `${name}: ${quote(entry.path)}`;
    if (paths.has(entry.path)) throw new FormatError(`${where} is there twice`);
    paths.add(entry.path);
    const flags = view.getUint16(at + 8, true);
    const place = view.getUint32(at + 42, true);
    const found = contentStart(view, place, entry.packed, start);
    const fault = faultOf(entry, flags, typeof found === "string" ? found : undefined);
    if (fault !== undefined)
      entries.push({ ...entry, start: -1, fault: new FormatError(`${where}${fault}`) });
    else entries.push({ ...entry, start: found as number });
    at += 46 + path + extra + comment;
  }
  expectApart(entries, name);
  return entries;
}

function faultOf(
  { method, packed, size }: Omit<Entry, "start">,
  flags: number,
  place: string | undefined,
): string | undefined {
  if (flags & 1) return " is encrypted";
  if (method !== 0 && method !== 8)
    return ` is packed by method ${method}; stored (0) and deflated (8) are read`;
  if (packed === 0xffffffff || size === 0xffffffff) return " takes more than 4 GB (zip64)";
  return place && `: ${place}`;
}

/** Where an entry's content begins: behind its local header, whose lengths may differ from the directory's. */
function contentStart(view: DataView, at: number, packed: number, end: number): number | string {
  if (at + 30 > end || view.getUint32(at, true) !== LOCAL) return `expected its zip header at byte ${at}`;
  const start = at + 30 + view.getUint16(at + 26, true) + view.getUint16(at + 28, true);
  if (start + packed > end) return `takes ${packed} bytes from byte ${start} on, which is past the end`;
  return start;
}

/** Entries that share bytes are how a small archive claims to hold petabytes. */
function expectApart(entries: readonly Entry[], name: string): void {
  let free = 0;
  const sound = entries.filter(({ fault }) => fault === undefined);
  for (const { path, start, packed } of sound.sort((a, b) => a.start - b.start)) {
    if (start < free)
      throw new FormatError(`${name}: ${quote(path)} overlaps another entry at byte ${start}`);
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
  const { path, method, start, packed, size, crc, fault } = entry;
  if (fault !== undefined) throw fault;
  const where = `${name}: ${quote(path)}`;
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
