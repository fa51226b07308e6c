/**
 * Decodes the bytes of a CSV file piece by piece, because a file may be longer than the longest string that JavaScript
 * allows (512 MiB). Reads UTF-8, and UTF-16 with a byte order mark.
 */

import { FormatError } from "../../validation/errors.ts";
import { expectFormat } from "../../validation/expect.ts";
import { fileKind } from "../formats/file-kind.ts";

/** Bytes that are decoded at a time. */
const PIECE = 2 ** 24;

/** The text without a byte order mark. Throws FormatError, naming `name`, on other encodings and on known binary formats. */
export function* textPieces(source: Uint8Array | string, name: string): Generator<string> {
  if (typeof source === "string") {
    yield source.replace(/^\ufeff/, "");
    return;
  }
  const encoding = encodingOf(source, name);
  const decoder = new TextDecoder(encoding, { fatal: true });
  for (let at = 0; at < source.length; at += PIECE) {
    const end = Math.min(at + PIECE, source.length);
    let text: string;
    try {
      text = decoder.decode(source.subarray(at, end), { stream: end < source.length });
    } catch (cause) {
      const where = source.length > PIECE ? ` between bytes ${at} and ${end}` : "";
      const what = `not text (invalid ${encoding.toUpperCase()}${where})`;
      throw new FormatError(`${name}: ${what}; save it as UTF-8`, { cause });
    }
    expectFormat(
      !text.includes("\0"),
      `${name}: not text (holds NUL characters, as UTF-16 without a byte order mark does); save it as UTF-8`,
    );
    yield text;
  }
}

function encodingOf(bytes: Uint8Array, name: string): "utf-8" | "utf-16le" | "utf-16be" {
  const [first, second, third, fourth] = bytes;
  const isLittle = first === 0xff && second === 0xfe;
  expectFormat(
    !(isLittle && third === 0 && fourth === 0),
    `${name}: is UTF-32 text, which is not read; save it as UTF-8`,
  );
  if (isLittle) return "utf-16le";
  if (first === 0xfe && second === 0xff) return "utf-16be";
  const kind = fileKind(bytes);
  // The signatures of BMP and PNM images are two letters, which a table may begin with, too.
  const isText = kind === undefined || kind === "a BMP image" || kind.startsWith("a PNM");
  expectFormat(isText, `${name}: is ${kind}, expected a table as text (CSV)`);
  return "utf-8";
}
