/**
 * Text made of lines of numbers, separated by white space or by commas: USPS, digits, Boston housing.
 * Refuses text that is not UTF-8, and anything that is not a finite decimal number, naming its line and place.
 */
import { FormatError } from "../../common/errors.ts";
import { quote } from "../../common/printable.ts";

/** The bytes as text, without a byte order mark. Throws FormatError unless they are UTF-8. */
export function decodeText(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FormatError(`${name}: not text (invalid UTF-8)`, { cause });
  }
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** A decimal number as people write it; undefined for anything else, "Infinity", "0x10" and "" included. */
export function decimal(text: string): number | undefined {
  if (!DECIMAL.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

export interface NumberLine {
  /** From 1. */
  readonly line: number;
  readonly values: readonly number[];
}

export interface NumberLinesOptions {
  /** Named in errors. */
  readonly name: string;
  readonly separator: "space" | "comma";
  /** Skips the lines before this one (from 1). */
  readonly from?: number;
}

/** The lines of the text, one by one; blank lines are left out. */
export function* numberLines(text: string, options: NumberLinesOptions): Generator<NumberLine> {
  const { name, separator, from = 1 } = options;
  let start = 0;
  for (let line = 1; start < text.length; line++) {
    let end = text.indexOf("\n", start);
    if (end < 0) end = text.length;
    const row = line < from ? "" : text.slice(start, end).trim();
    start = end + 1;
    if (row === "") continue;
    const fields = separator === "comma" ? row.split(",") : row.split(/\s+/);
    const values = fields.map((field, i) => {
      const value = decimal(separator === "comma" ? field.trim() : field);
      if (value !== undefined) return value;
      throw new FormatError(`${name}: line ${line}, value ${i + 1}: expected a number, got ${quote(field)}`);
    });
    yield { line, values };
  }
}

/** Throws FormatError unless `value` is a whole number in 0 .. most. */
export function wholeAt(value: number, most: number, where: string): number {
  if (!Number.isInteger(value) || value < 0 || value > most) {
    throw new FormatError(`${where}: expected a whole number from 0 to ${most}, got ${value}`);
  }
  return value;
}
