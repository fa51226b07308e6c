/**
 * Decompresses a gzip file: one member or several, one after the other (RFC 1952), and zeros behind the last, as tapes
 * and some writers leave them.
 * Refuses bytes that are not gzip, truncated or damaged files, other bytes behind the end, and contents larger than the
 * caller allows, which stops a small file from filling the memory.
 */
import { FormatError } from "../../common/errors.ts";
import { checkOptions, type OptionKinds } from "../../common/options.ts";
import { DEFAULT_LIMIT, inflate, MOST_PER_BYTE } from "./inflate.ts";

/** A gzip member has a header of at least 10 bytes and a trailer of 8 (checksum, size). */
const SMALLEST = 18;
/** Most bytes that are read in vain in looking for the ends of members, as a multiple of the file, and at least. */
const MOST_IN_VAIN = 8;
const LEAST_IN_VAIN = 2 ** 26;
/** What an attempt costs beside its bytes. */
const ATTEMPT = 2 ** 16;

export interface GunzipOptions {
  /** Named in errors. */
  readonly name?: string;
  /** Largest content in bytes. */
  readonly limit?: number;
}

const GUNZIP = { name: "string", limit: "number" } as const satisfies OptionKinds<GunzipOptions>;

/** Whether the bytes begin as a gzip file with the one compression method there is. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8;
}

/** What is inside if the bytes are gzip, the bytes themselves if not; both within the limit. */
export async function gunzipIfPacked(bytes: Uint8Array, options: GunzipOptions = {}): Promise<Uint8Array> {
  const { name = "data", limit = DEFAULT_LIMIT } = checkOptions("gunzipIfPacked", options, GUNZIP);
  if (isGzip(bytes)) return gunzip(bytes, options);
  if (bytes.length > limit)
    throw new FormatError(`${name}: ${bytes.length} bytes, the limit is ${limit} bytes`);
  return bytes;
}

/** The contents of all members, joined. Rejects with a FormatError. */
export async function gunzip(bytes: Uint8Array, options: GunzipOptions = {}): Promise<Uint8Array> {
  const { name = "gzip data", limit = DEFAULT_LIMIT } = checkOptions("gunzip", options, GUNZIP);
  if (!isGzip(bytes)) {
    const start = [...bytes.subarray(0, 3)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    throw new FormatError(
      `${name}: not a gzip file, expected the bytes 1f 8b 08 at 0, got ${start || "none"}`,
    );
  }
  if (bytes.length < SMALLEST) {
    throw new FormatError(
      `${name}: truncated gzip file, ${bytes.length} bytes, at least ${SMALLEST} expected`,
    );
  }
  const members: Uint8Array[] = [];
  let left = limit;
  const search = { left: Math.max(LEAST_IN_VAIN, MOST_IN_VAIN * bytes.length) };
  for (let at = 0; at < bytes.length; ) {
    const rest = bytes.subarray(at);
    if (at > 0 && rest.every((byte) => byte === 0)) break;
    if (at > 0 && !isGzip(rest)) {
      throw new FormatError(
        `${name}: the gzip file ends at byte ${at}, and ${rest.length} bytes follow that are neither gzip nor zeros`,
      );
    }
    const { content, end } = await readMember(rest, members.length === 0, left, search, name);
    members.push(content);
    left -= content.length;
    at += end;
  }
  return join(members);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array;
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

interface Member {
  readonly content: Uint8Array;
  /** Bytes that it takes. */
  readonly end: number;
}

/**
 * The member that `bytes` begin with. Hosts don't say where a member ends, and differ in what they do with bytes behind
 * it, so ends are tried: places that another member may follow, and the end of the file. An end is right if the host
 * accepts the bytes up to it and gives as many as the trailer before it says.
 */
async function readMember(
  bytes: Uint8Array,
  isFirst: boolean,
  limit: number,
  search: { left: number },
  name: string,
): Promise<Member> {
  const attempt = async (end: number): Promise<Member> => {
    const expected = sizeBefore(bytes, end);
    const content = await inflate(
      bytes.subarray(0, end),
      "gzip",
      { limit, expected },
      {
        damaged: `${name}: damaged or truncated gzip file (${bytes.length} bytes)`,
        tooLarge: `${name}: the content of the gzip file`,
      },
    );
    if (content.length % 2 ** 32 === expected) return { content, end };
    throw new FormatError(
      `${name}: damaged or truncated gzip file: its content has ${content.length} bytes, the size at byte ` +
        `${end - 4} is ${expected}`,
    );
  };
  let failure: unknown;
  for (const end of endsOf(bytes, isFirst)) {
    if (search.left < 0) break;
    if (end !== bytes.length && sizeBefore(bytes, end) > MOST_PER_BYTE * end) continue;
    try {
      return await attempt(end);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      failure ??= error;
      search.left -= end + ATTEMPT;
    }
  }
  throw failure ?? new FormatError(`${name}: damaged or truncated gzip file (${bytes.length} bytes)`);
}

/** Where the member that `bytes` begin with may end, in order; `wholeFirst`: the end of the file before the others. */
function* endsOf(bytes: Uint8Array, wholeFirst: boolean): Generator<number> {
  // Most files are of one member, and where the rest of a file is more than that it shows soon.
  if (wholeFirst) yield bytes.length;
  for (let at = bytes.indexOf(0x1f, SMALLEST); at >= 0; at = bytes.indexOf(0x1f, at + 1)) {
    const isHeader = bytes[at + 1] === 0x8b && bytes[at + 2] === 8 && ((bytes[at + 3] ?? 0xff) & 0xe0) === 0;
    if (isHeader) yield at;
  }
  // Behind the last byte that is not 0 the trailer may go on with zeros, and others may follow it.
  let last = bytes.length - 1;
  while (last > 0 && bytes[last] === 0) last--;
  for (let end = Math.max(last + 1, SMALLEST); end <= Math.min(last + 10, bytes.length); end++) {
    if (!(wholeFirst && end === bytes.length)) yield end;
  }
}

/** The size of a content, modulo 2^32, as the trailer that ends at `end` says it. */
function sizeBefore(bytes: Uint8Array, end: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + end - 4, 4).getUint32(0, true);
}
