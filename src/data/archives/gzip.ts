/**
 * Decompresses gzip files (RFC 1952): one or several members, one after the other, and zeros after the last one, as tapes
 * and some writers leave them. Refuses damaged or truncated files, other bytes after the end, and contents above a limit.
 */

import { FormatError } from "../../validation/errors.ts";
import { expectFormat } from "../../validation/expect.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import { DEFAULT_LIMIT, inflate, MOST_PER_BYTE } from "./inflate.ts";

/** Smallest member: a header of at least 10 bytes and a trailer of 8 (checksum, size). */
const SMALLEST = 18;
/** Cost of a failed attempt to find the end of a member, in addition to its bytes. */
const ATTEMPT = 2 ** 16;

export interface GunzipOptions {
  /** Named in errors. */
  readonly name?: string;
  /** Largest content in bytes; default 1 GiB. */
  readonly limit?: number;
}

const GUNZIP = { name: "string", limit: "number" } as const satisfies OptionKinds<GunzipOptions>;

/** Whether the bytes begin like a gzip file with the only compression method that is defined. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8;
}

/** The content of gzip bytes, or other bytes as they are. Rejects with a FormatError if that is above the limit. */
export async function gunzipIfPacked(bytes: Uint8Array, options: GunzipOptions = {}): Promise<Uint8Array> {
  const { name = "data", limit = DEFAULT_LIMIT } = checkOptions("gunzipIfPacked", options, GUNZIP);
  if (isGzip(bytes)) return gunzip(bytes, options);
  expectFormat(bytes.length <= limit, `${name}: ${bytes.length} bytes, the limit is ${limit} bytes`);
  return bytes;
}

/** The contents of all members, joined. Rejects with a FormatError. */
export async function gunzip(bytes: Uint8Array, options: GunzipOptions = {}): Promise<Uint8Array> {
  const { name = "gzip data", limit = DEFAULT_LIMIT } = checkOptions("gunzip", options, GUNZIP);
  const start = [...bytes.subarray(0, 3)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  expectFormat(
    isGzip(bytes),
    `${name}: not a gzip file, expected the bytes 1f 8b 08 at 0, got ${start || "none"}`,
  );
  expectFormat(
    bytes.length >= SMALLEST,
    `${name}: truncated gzip file, ${bytes.length} bytes, at least ${SMALLEST} expected`,
  );
  const reader = new MemberReader(bytes, limit, name);
  const members: Uint8Array[] = [];
  while (!reader.isAtEnd) members.push(await reader.next());
  if (members.length === 1) return members[0] as Uint8Array;
  const all = new Uint8Array(members.reduce((sum, member) => sum + member.length, 0));
  members.reduce((at, member) => {
    all.set(member, at);
    return at + member.length;
  }, 0);
  return all;
}

/**
 * Reads member after member. Hosts don't report where a member ends, and differ in how they treat bytes after it, so
 * possible ends are tried: every position where another member may begin, and the end of the file. An end is right if the
 * host accepts the bytes up to it and the size of the content agrees with the trailer before it.
 */
class MemberReader {
  #at = 0;
  /** Bytes that the remaining members may have. */
  #limit: number;
  /** Bytes that failed attempts may still read, which keeps malicious files from costing quadratic time. */
  #budget: number;

  constructor(
    readonly bytes: Uint8Array,
    limit: number,
    readonly name: string,
  ) {
    this.#limit = limit;
    this.#budget = Math.max(2 ** 26, 8 * bytes.length);
  }

  get isAtEnd(): boolean {
    return this.#at > 0 && this.bytes.subarray(this.#at).every((byte) => byte === 0);
  }

  async next(): Promise<Uint8Array> {
    const rest = this.bytes.subarray(this.#at);
    expectFormat(
      isGzip(rest),
      `${this.name}: the gzip file ends at byte ${this.#at}, and ${rest.length} bytes follow that are neither gzip nor zeros`,
    );
    let failure = new FormatError(`${this.name}: damaged or truncated gzip file (${rest.length} bytes)`);
    let attempts = 0;
    for (const end of possibleEnds(rest, this.#at === 0)) {
      const isPlausible = end === rest.length || sizeBefore(rest, end) <= MOST_PER_BYTE * end;
      if (!isPlausible || this.#budget < 0) continue;
      try {
        const content = await this.#read(rest.subarray(0, end));
        this.#at += end;
        this.#limit -= content.length;
        return content;
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        if (attempts++ === 0) failure = error;
        this.#budget -= end + ATTEMPT;
      }
    }
    throw failure;
  }

  async #read(member: Uint8Array): Promise<Uint8Array> {
    const end = member.length;
    const expected = sizeBefore(member, end);
    const damaged = `${this.name}: damaged or truncated gzip file`;
    const content = await inflate(member, {
      format: "gzip",
      limit: this.#limit,
      expected,
      damaged: `${damaged} (${end} bytes)`,
      tooLarge: `${this.name}: the content of the gzip file`,
    });
    expectFormat(
      content.length % 2 ** 32 === expected,
      `${damaged}: its content has ${content.length} bytes, the size at byte ${end - 4} is ${expected}`,
    );
    return content;
  }
}

/** Positions where the member that `bytes` begin with may end, in order. `wholeFirst`: the end of the file before all others. */
function* possibleEnds(bytes: Uint8Array, wholeFirst: boolean): Generator<number> {
  // Most files have one member, and where the file has more than that the host soon fails.
  if (wholeFirst) yield bytes.length;
  for (let at = bytes.indexOf(0x1f, SMALLEST); at >= 0; at = bytes.indexOf(0x1f, at + 1)) {
    const hasValidFlags = ((bytes[at + 3] ?? 0xff) & 0xe0) === 0;
    if (isGzip(bytes.subarray(at, at + 3)) && hasValidFlags) yield at;
  }
  // The trailer may end in zeros, and zeros may follow it: up to nine bytes after the last byte that is not 0.
  const last = bytes.findLastIndex((byte) => byte !== 0);
  for (let end = Math.max(last + 1, SMALLEST); end <= Math.min(last + 10, bytes.length); end++) {
    if (!(wholeFirst && end === bytes.length)) yield end;
  }
}

/** Size of a content, modulo 2^32, according to the trailer that ends at `end`. */
function sizeBefore(bytes: Uint8Array, end: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + end - 4, 4).getUint32(0, true);
}
