/**
 * A CSV file's bytes as text, in pieces: a file may be longer than the longest string that JavaScript allows (512 MiB).
 * Reads UTF-8, and UTF-16 with a byte order mark. Refuses other encodings and files of known formats that are no text.
 */
import { FormatError } from "../../common/errors.ts";
import { fileKind } from "../formats/file-kind.ts";

/** Bytes that are decoded at a time. */
const PIECE = 2 ** 24;

/** The text without a byte order mark. `name` is named in errors. */
export function* textPieces(source: Uint8Array | string, name: string): Generator<string> {
  if (typeof source === "string") {
    yield source.replace(/^\ufeff/, "");
    return;
  }
  const encoding = encodingOf(source, name);
  const decoder = new TextDecoder(encoding, { fatal: true });
  for (let at = 0; at < source.length; at += PIECE) {
    const end = Math.min(at + PIECE, source.length);
    const text = decode(decoder, source.subarray(at, end), end < source.length, () => {
      const where = source.length > PIECE ? ` between bytes ${at} and ${end}` : "";
      return `${name}: not text (invalid ${encoding.toUpperCase()}${where}); save it as UTF-8`;
    });
    if (text.includes("\0"))
      throw new FormatError(
        `${name}: not text (holds NUL characters, as UTF-16 without a byte order mark does); save it as UTF-8`,
      );
    yield text;
  }
}

function decode(decoder: TextDecoder, bytes: Uint8Array, stream: boolean, message: () => string): string {
  try {
    return decoder.decode(bytes, { stream });
  } catch (cause) {
    throw new FormatError(message(), { cause });
  }
}

function encodingOf(bytes: Uint8Array, name: string): "utf-8" | "utf-16le" | "utf-16be" {
  const [first, second, third, fourth] = bytes;
  if (first === 0xff && second === 0xfe) {
    if (third === 0 && fourth === 0)
      throw new FormatError(`${name}: is UTF-32 text, which is not read; save it as UTF-8`);
    return "utf-16le";
  }
  if (first === 0xfe && second === 0xff) return "utf-16be";
  const kind = fileKind(bytes);
  // Two letters could begin a table, too.
  if (kind !== undefined && kind !== "a BMP image" && !kind.startsWith("a PNM"))
    throw new FormatError(`${name}: is ${kind}, expected a table as text (CSV)`);
  return "utf-8";
}
