/**
 * Reads text that consists of lines of decimal numbers, separated by white space or by commas: the format of the USPS,
 * digits and Boston housing files. Error messages name the line and the position in it.
 */

import { FormatError } from "../../validation/errors.ts";
import { expectFormat } from "../../validation/expect.ts";
import { quote } from "../../validation/printable.ts";

/** Decodes UTF-8 without a byte order mark. Throws FormatError on invalid UTF-8. */
export function decodeText(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FormatError(`${name}: not text (invalid UTF-8)`, { cause });
  }
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** Parses a finite decimal number; returns undefined for anything else, such as "Infinity", "0x10" and "". */
export function decimal(text: string): number | undefined {
  const value = DECIMAL.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}

export interface NumberLine {
  /** Line number, from 1. */
  readonly line: number;
  readonly values: readonly number[];
}

export interface NumberLinesOptions {
  /** Named in errors. */
  readonly name: string;
  readonly separator: "space" | "comma";
  /** Number of values that every line must have; default: any. */
  readonly length?: number;
  /** What these values are, for errors. */
  readonly meaning?: string;
  /** First line to read, from 1; default 1. */
  readonly from?: number;
}

/** Yields the lines of `text` one by one, without blank lines. Throws FormatError on anything that is not a number. */
export function* numberLines(text: string, options: NumberLinesOptions): Generator<NumberLine> {
  const { name, separator, length, meaning, from = 1 } = options;
  const between = separator === "comma" ? /\s*,\s*/ : /\s+/;
  let start = 0;
  for (let line = 1; start < text.length; line++) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const row = line < from ? "" : text.slice(start, end).trim();
    start = end + 1;
    if (row === "") continue;
    const values = row.split(between).map((field, i) => {
      const value = decimal(field);
      if (value !== undefined) return value;
      throw new FormatError(`${name}: line ${line}, value ${i + 1}: expected a number, got ${quote(field)}`);
    });
    expectFormat(
      length === undefined || values.length === length,
      `${name}: line ${line}: expected ${length} numbers (${meaning}), got ${values.length}`,
    );
    yield { line, values };
  }
}

/** Returns `value`. Throws FormatError unless it is a whole number in 0 .. most. */
export function wholeAt(value: number, most: number, where: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new FormatError(`${where}: expected a whole number from 0 to ${most}, got ${value}`);
}
