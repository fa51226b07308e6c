/**
 * Reads a tar archive in memory: the regular files in it, by name. Knows the old form, ustar, GNU's long names and
 * the `path` of pax headers; folders, links and devices are passed over.
 * Refuses wrong checksums, sizes that are not octal numbers or reach past the end, and archives without their end.
 * Formats: POSIX.1-1988 (ustar), POSIX.1-2001 (pax).
 */
import { FormatError } from "../../common/errors.ts";

const BLOCK = 512;
const CHECKSUM = 148;

/** The regular files of the archive, as views of its bytes. A name that comes twice is the later file. */
export function parseTar(bytes: Uint8Array, name = "tar archive"): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  let longName: string | undefined;
  for (let at = 0; ; ) {
    if (at + BLOCK > bytes.length) {
      throw new FormatError(
        `${name}: truncated, expected a header at byte ${at}, the archive ends at ${bytes.length}`,
      );
    }
    const header = bytes.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) break;
    checkHeader(header, at, name);
    const size = octal(header, 124, 12, at, name);
    const start = at + BLOCK;
    const entry = longName ?? pathOf(header);
    if (size > bytes.length - start) {
      throw new FormatError(
        `${name}: truncated, ${JSON.stringify(entry)} takes ${size} bytes from byte ${start} on, ` +
          `${bytes.length - start} are there`,
      );
    }
    const content = bytes.subarray(start, start + size);
    const type = String.fromCharCode(header[156] as number);
    if (type === "L") longName = textOf(content);
    else if (type === "x") longName = paxPath(content) ?? longName;
    else {
      if (type === "0" || type === "\0") files.set(entry, content);
      if (type !== "g") longName = undefined;
    }
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}

function checkHeader(header: Uint8Array, at: number, name: string): void {
  // The sum of the header's bytes with the checksum's own eight counted as blanks.
  const sum = header.reduce((total, byte, i) => total + (i >= CHECKSUM && i < CHECKSUM + 8 ? 0x20 : byte), 0);
  const stored = octal(header, CHECKSUM, 8, at, name);
  if (stored !== sum) {
    throw new FormatError(
      `${name}: not a tar header at byte ${at}, expected the checksum ${sum}, got ${stored}`,
    );
  }
}

/** Text up to the first zero byte. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function octal(header: Uint8Array, offset: number, length: number, at: number, name: string): number {
  const text = textOf(header.subarray(offset, offset + length)).trim();
  if (!/^[0-7]+$/.test(text)) {
    throw new FormatError(
      `${name}: not a tar header at byte ${at}, expected an octal number at ${at + offset}, got ${JSON.stringify(text)}`,
    );
  }
  return Number.parseInt(text, 8);
}

function pathOf(header: Uint8Array): string {
  const path = textOf(header.subarray(0, 100));
  const isUstar = textOf(header.subarray(257, 262)) === "ustar";
  const prefix = isUstar && header[262] === 0 ? textOf(header.subarray(345, 500)) : "";
  return prefix === "" ? path : `${prefix}/${path}`;
}

/** Records are "<length> <key>=<value>\n". */
function paxPath(content: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(content);
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(text)?.[1];
}
