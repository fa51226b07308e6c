/**
 * Comma-separated text as records (RFC 4180, and what spreadsheets make of it): quoted fields with doubled quotes and
 * line breaks in them, any line ending, commas, semicolons, tabs or bars. The text comes in pieces, which may end anywhere.
 * Refuses quotes that are never closed and text behind a closing quote, naming line and column, and endless lines.
 */
import { FormatError } from "../../common/errors.ts";
import { quote } from "../../common/printable.ts";
import { isNumeric, lookalike } from "./numbers.ts";

export type Delimiter = "," | ";" | "\t" | "|";

const DELIMITERS: readonly Delimiter[] = [",", ";", "\t", "|"];
/** Most fields in a record. */
const MOST_COLUMNS = 100_000;
/** Most characters in a record that does not end in the piece of text that it begins in. */
const LONGEST_RECORD = 2 ** 26;

export interface CsvRecord {
  /** Where it begins, from 1. */
  readonly line: number;
  /** Unquoted fields without the blanks around them. */
  readonly fields: readonly string[];
}

/**
 * The delimiter with which the first records have equally many fields, most of them numbers; else the one that comes
 * most often in the first record; a comma if there is none. `text`: the file, or a piece of it.
 */
export function guessDelimiter(text: string): Delimiter {
  const begin = text.slice(0, 2 ** 16);
  const sample = begin.replace(/^(?:\s*#[^\r\n]*[\r\n]+)+/, "") || begin;
  const isCut = text.length > 2 ** 16;
  const scored = DELIMITERS.map((delimiter) => ({ delimiter, score: score(sample, isCut, delimiter) }));
  return scored.reduce((best, next) => (isBetter(next.score, best.score) ? next : best)).delimiter;
}

type Score = readonly [alike: number, numbers: number, fields: number];

function isBetter(a: Score, b: Score): boolean {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at >= 0 && (a[at] as number) > (b[at] as number);
}

function score(sample: string, isCut: boolean, delimiter: Delimiter): Score {
  const records: CsvRecord[] = [];
  try {
    for (const record of csvRecords(sample, delimiter, "")) {
      records.push(record);
      if (records.length > 50) break;
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    // The sample may end within quotes, and a wrong delimiter within them is refused.
    if (records.length === 0) return [-1, 0, 0];
  }
  if (isCut && records.length > 1) records.pop();
  const [first, ...rest] = records;
  if (first === undefined) return [0, 0, 0];
  const [most, usual] = [first.fields.length, rest[0]?.fields.length ?? first.fields.length];
  if (usual < 2 || rest.some(({ fields }) => fields.length !== usual)) return [0, 0, most];
  const isPlain = (cell: string) => isNumeric(cell) && (delimiter !== "," || lookalike(cell) === undefined);
  const cells = (rest.length > 0 ? rest : [first]).flatMap(({ fields }) => fields);
  const numbers = cells.filter(isPlain).length / cells.length;
  const short = Math.abs(usual - most);
  return [short === 0 ? 2 : short === 1 && most > 1 ? 1 : 0, numbers, usual];
}

/** The records one by one; blank lines are left out. `name` is named in errors. */
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
      const [first = ""] = record.fields;
      if (record.fields.length > 1 || first !== "" || reader.quoted) yield record;
    }
    rest = rest.slice(reader.at);
    line = reader.line;
    if (rest.length > LONGEST_RECORD && !isLast) {
      throw new FormatError(
        `${name}: line ${line}: goes on for more than ${LONGEST_RECORD} characters; is a quote missing?`,
      );
    }
  }
}

/** Reads records of one piece of text. */
class RecordReader {
  /** Where the next record begins, and its line. */
  at = 0;
  line: number;
  /** Whether a field of the last record was quoted. */
  quoted = false;
  readonly #delimiter: number;

  constructor(
    readonly text: string,
    readonly delimiter: Delimiter,
    line: number,
    /** Whether the text ends here; else the record that reaches its end may go on. */
    readonly isLast: boolean,
    readonly name: string,
  ) {
    this.line = line;
    this.#delimiter = delimiter.charCodeAt(0);
  }

  /** Undefined at the end of the text, and where a record may go on behind it. */
  next(): CsvRecord | undefined {
    const { text, delimiter, name } = this;
    let { at, line } = this;
    if (at >= text.length) return undefined;
    const fields: string[] = [];
    this.quoted = false;
    for (;;) {
      while (text[at] === " " || (text[at] === "\t" && delimiter !== "\t")) at++;
      if (text[at] === '"') {
        this.quoted = true;
        const found = this.#quotedField(at, line, fields.length + 1);
        if (found === undefined) return undefined;
        const [content, end] = found;
        fields.push(content);
        line += content.match(/\r\n|\r|\n/g)?.length ?? 0;
        const rest = this.#upTo(end);
        if (rest.trim() !== "") {
          throw new FormatError(
            `${name}: line ${line}, column ${fields.length}: ${quote(rest)} follows the closing quote`,
          );
        }
        at = end + rest.length;
      } else {
        const content = this.#upTo(at);
        fields.push(content.trim());
        at += content.length;
      }
      if (text[at] !== delimiter) break;
      if (fields.length >= MOST_COLUMNS) {
        throw new FormatError(`${name}: line ${line}: has more than ${MOST_COLUMNS} columns`);
      }
      at++;
    }
    if (at + 1 >= text.length && !this.isLast && (text[at] ?? "\r") === "\r") return undefined;
    // "\r\n" is one line end, and so is either alone.
    if (text[at] === "\r") at++;
    if (text[at] === "\n") at++;
    const record = { line: this.line, fields };
    this.at = at;
    this.line = line + 1;
    return record;
  }

  /** The text from `at` to the next delimiter or line end. */
  #upTo(at: number): string {
    const { text } = this;
    let end = at;
    for (; end < text.length; end++) {
      const code = text.charCodeAt(end);
      if (code === this.#delimiter || code === 10 || code === 13) break;
    }
    return text.slice(at, end);
  }

  /** What is between the quote at `start` and the one that closes it, and the place behind that. */
  #quotedField(start: number, line: number, column: number): [content: string, end: number] | undefined {
    const { text } = this;
    let content = "";
    for (let at = start + 1; ; ) {
      const close = text.indexOf('"', at);
      if (!this.isLast && (close < 0 || close + 1 === text.length)) return undefined;
      if (close < 0) {
        throw new FormatError(
          `${this.name}: line ${line}, column ${column}: the quote that opens here is never closed`,
        );
      }
      content += text.slice(at, close);
      if (text[close + 1] !== '"') return [content, close + 1];
      content += '"';
      at = close + 2;
    }
  }
}
