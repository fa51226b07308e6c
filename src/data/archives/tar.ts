/**
 * Reads tar archives in memory: the regular files in them, by name. Knows the old form, ustar (POSIX.1-1988), GNU's long
 * names and the `path` of pax headers (POSIX.1-2001); skips folders, links and devices.
 */
import { expectFormat } from "../../validation/expect.ts";

const BLOCK = 512;
const CHECKSUM = 148;

/**
 * The regular files of the archive, as views of its bytes. Of two files with the same name the later one counts. Throws
 * FormatError on wrong checksums, sizes that are not octal or reach past the end, and archives without an end.
 */
export function parseTar(bytes: Uint8Array, name = "tar archive"): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  let longName: string | undefined;
  for (let at = 0; ; ) {
    expectFormat(
      at + BLOCK <= bytes.length,
      `${name}: truncated, expected a header at byte ${at}, the archive ends at ${bytes.length}`,
    );
    const header = bytes.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return files;
    checkHeader(header, at, name);
    const size = octal(header, 124, 12, at, name);
    const start = at + BLOCK;
    const path = longName ?? pathOf(header);
    const available = bytes.length - start;
    expectFormat(
      size <= available,
      `${name}: truncated, ${JSON.stringify(path)} takes ${size} bytes from byte ${start} on, ${available} are there`,
    );
    const content = bytes.subarray(start, start + size);
    const type = String.fromCharCode(header[156] as number);
    if (type === "L") longName = textOf(content);
    else if (type === "x") longName = paxPath(content) ?? longName;
    else {
      if (type === "0" || type === "\0") files.set(path, content);
      if (type !== "g") longName = undefined;
    }
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
}

/** The checksum is the sum of the header's bytes, with its own eight bytes counted as blanks. */
function checkHeader(header: Uint8Array, at: number, name: string): void {
  const sum = header.reduce((total, byte, i) => total + (i >= CHECKSUM && i < CHECKSUM + 8 ? 0x20 : byte), 0);
  const stored = octal(header, CHECKSUM, 8, at, name);
  expectFormat(
    stored === sum,
    `${name}: not a tar header at byte ${at}, expected the checksum ${sum}, got ${stored}`,
  );
}

/** Text up to the first zero byte. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function octal(header: Uint8Array, offset: number, length: number, at: number, name: string): number {
  const text = textOf(header.subarray(offset, offset + length)).trim();
  expectFormat(
    /^[0-7]+$/.test(text),
    `${name}: not a tar header at byte ${at}, expected an octal number at ${at + offset}, got ${JSON.stringify(text)}`,
  );
  return Number.parseInt(text, 8);
}

function pathOf(header: Uint8Array): string {
  const path = textOf(header.subarray(0, 100));
  const isUstar = textOf(header.subarray(257, 262)) === "ustar" && header[262] === 0;
  const prefix = isUstar ? textOf(header.subarray(345, 500)) : "";
  return prefix === "" ? path : `${prefix}/${path}`;
}

/** The path in a pax header, whose records are "<length> <key>=<value>\n". */
function paxPath(content: Uint8Array): string | undefined {
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(new TextDecoder().decode(content))?.[1];
}
