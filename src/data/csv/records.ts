/**
 * Splits comma-separated text into records (RFC 4180 and spreadsheet dialects): quoted fields with doubled quotes and line
 * breaks in them, any line ending, commas, semicolons, tabs or bars as delimiters. The text may come in pieces of any size.
 */

import { FormatError } from "../../validation/errors.ts";
import { expectFormat } from "../../validation/expect.ts";
import { quote } from "../../validation/printable.ts";
import { isNumeric, lookalike } from "./numbers.ts";

export type Delimiter = "," | ";" | "\t" | "|";

const DELIMITERS: readonly Delimiter[] = [",", ";", "\t", "|"];
const MOST_COLUMNS = 100_000;
/** Most characters in a record that extends over several pieces of text. */
const LONGEST_RECORD = 2 ** 26;
/** Characters and records that are examined to guess the delimiter. */
const SAMPLE = 2 ** 16;
const SAMPLE_RECORDS = 51;

export interface CsvRecord {
  /** Number of its first line, from 1. */
  readonly line: number;
  /** Unquoted fields are trimmed. */
  readonly fields: readonly string[];
}

/**
 * Guesses the delimiter from the beginning of the file: the one with which the records have equally many fields, most of them
 * numbers; otherwise the one that is most frequent in the first record; a comma if there is none.
 */
export function guessDelimiter(text: string): Delimiter {
  const begin = text.slice(0, SAMPLE);
  const sample = begin.replace(/^(?:\s*#[^\r\n]*[\r\n]+)+/, "") || begin;
  const scored = DELIMITERS.map((delimiter) => ({
    delimiter,
    score: scoreOf(sample, text.length > SAMPLE, delimiter),
  }));
  return scored.reduce((best, next) => (isBetter(next.score, best.score) ? next : best)).delimiter;
}

/** How well a delimiter fits; the first number that differs decides. */
type Score = readonly [equalWidths: number, shareOfNumbers: number, fields: number];

function isBetter(a: Score, b: Score): boolean {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at >= 0 && (a[at] as number) > (b[at] as number);
}

function scoreOf(sample: string, isCut: boolean, delimiter: Delimiter): Score {
  const records: CsvRecord[] = [];
  try {
    for (const record of csvRecords(sample, delimiter, "")) {
      if (records.push(record) === SAMPLE_RECORDS) break;
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    // The sample may end within quotes, and a wrong delimiter may split a quoted field.
    if (records.length === 0) return [-1, 0, 0];
  }
  if (isCut && records.length > 1) records.pop();
  const [first, ...rest] = records.map(({ fields }) => fields);
  if (first === undefined) return [0, 0, 0];
  // The first record may be a header with one name more or less.
  const width = rest[0]?.length ?? first.length;
  if (width < 2 || rest.some((fields) => fields.length !== width)) return [0, 0, first.length];
  const isPlain = (cell: string) => isNumeric(cell) && (delimiter !== "," || lookalike(cell) === undefined);
  const cells = (rest.length > 0 ? rest : [first]).flat();
  const numbers = cells.filter(isPlain).length / cells.length;
  const difference = Math.abs(width - first.length);
  const equalWidths = difference === 0 ? 2 : difference === 1 && first.length > 1 ? 1 : 0;
  return [equalWidths, numbers, width];
}

/**
 * Yields the records one by one, without blank lines. Throws FormatError, naming `name`, line and column, on quotes that
 * are never closed, text after a closing quote, and endless records.
 */
export function* csvRecords(
  text: string | Iterable<string>,
  delimiter: Delimiter,
  name: string,
): Generator<CsvRecord> {
  const pieces = (typeof text === "string" ? [text] : text)[Symbol.iterator]();
  let [rest, line] = ["", 1];
  for (let isLast = false; !isLast; ) {
    const { done = false, value = "" } = pieces.next();
    isLast = done;
    rest = rest === "" ? value : rest + value;
    const reader = new RecordReader(rest, delimiter, line, isLast, name);
    for (let record = reader.next(); record !== undefined; record = reader.next()) {
      if (record.fields.length > 1 || record.fields[0] !== "" || reader.isQuoted) yield record;
    }
    rest = rest.slice(reader.at);
    line = reader.line;
    expectFormat(
      rest.length <= LONGEST_RECORD || isLast,
      `${name}: line ${line}: goes on for more than ${LONGEST_RECORD} characters; is a quote missing?`,
    );
  }
}

/** Reads the records of one piece of text. */
class RecordReader {
  /** Where the next record begins. */
  at = 0;
  /** Whether a field of the last record was quoted. */
  isQuoted = false;
  readonly #delimiterCode: number;

  constructor(
    readonly text: string,
    readonly delimiter: Delimiter,
    /** Number of the line where the next record begins. */
    public line: number,
    /** Whether no further piece follows; otherwise a record that reaches the end of this one may be incomplete. */
    readonly isLast: boolean,
    readonly name: string,
  ) {
    this.#delimiterCode = delimiter.charCodeAt(0);
  }

  /** The next record; undefined at the end of the text, and for a record that may be incomplete. */
  next(): CsvRecord | undefined {
    const { text, delimiter, name } = this;
    let { at, line } = this;
    if (at >= text.length) return undefined;
    const fields: string[] = [];
    this.isQuoted = false;
    for (;;) {
      while (text[at] === " " || (text[at] === "\t" && delimiter !== "\t")) at++;
      if (text[at] === '"') {
        this.isQuoted = true;
        const found = this.#quotedField(at, `${name}: line ${line}, column ${fields.length + 1}`);
        if (found === undefined) return undefined;
        const [content, end] = found;
        fields.push(content);
        line += content.match(/\r\n|\r|\n/g)?.length ?? 0;
        const rest = this.#upToDelimiter(end);
        expectFormat(
          rest.trim() === "",
          `${name}: line ${line}, column ${fields.length}: ${quote(rest)} follows the closing quote`,
        );
        at = end + rest.length;
      } else {
        const content = this.#upToDelimiter(at);
        fields.push(content.trim());
        at += content.length;
      }
      if (text[at] !== delimiter) break;
      at++;
      if (fields.length < MOST_COLUMNS) continue;
      throw new FormatError(`${name}: line ${line}: has more than ${MOST_COLUMNS} columns`);
    }
    // The next piece may continue the last field, or begin with the "\n" of "\r\n".
    if (at + 1 >= text.length && !this.isLast && (text[at] ?? "\r") === "\r") return undefined;
    if (text[at] === "\r") at++;
    if (text[at] === "\n") at++;
    const record = { line: this.line, fields };
    this.at = at;
    this.line = line + 1;
    return record;
  }

  /** The text from `at` to the next delimiter or line end. */
  #upToDelimiter(at: number): string {
    const { text } = this;
    let end = at;
    for (; end < text.length; end++) {
      const code = text.charCodeAt(end);
      if (code === this.#delimiterCode || code === 10 || code === 13) break;
    }
    return text.slice(at, end);
  }

  /** The content of the field whose quote opens at `start`, and the position after its closing quote. */
  #quotedField(start: number, where: string): [content: string, end: number] | undefined {
    const { text } = this;
    let content = "";
    for (let at = start + 1; ; ) {
      const close = text.indexOf('"', at);
      if (!this.isLast && (close < 0 || close + 1 === text.length)) return undefined;
      expectFormat(close >= 0, `${where}: the quote that opens here is never closed`);
      content += text.slice(at, close);
      if (text[close + 1] !== '"') return [content, close + 1];
      content += '"';
      at = close + 2;
    }
  }
}
