/**
 * A column of a table, read cell by cell: numbers, True and False, or texts that become one column of 0 and 1 per
 * different text. The first cell decides whether all others must be numbers or texts, except in the label's column.
 * Throws FormatError, naming line and column, on empty cells, cells of the other kind, texts that look like numbers or
 * dates, and too many different texts.
 */

import { FormatError } from "../../validation/errors.ts";
import { expectFormat } from "../../validation/expect.ts";
import { quote } from "../../validation/printable.ts";
import { lookalike, MISSING, type NumberStyle } from "./numbers.ts";

/** Most different texts in a column of features, and most different labels. */
const MOST_TEXTS = 64;
const MOST_CLASSES = 65_536;
const BOOLEAN = /^(?:true|false)$/i;
/** Digits with zeros in front are identifiers such as 007. */
const PADDED = /^0\d+$/;
const CHUNK = 2 ** 16;

/** A list of numbers without an upper length: a plain array of as many cells as a table may have exceeds V8's limit. */
class NumberList<Values extends Float32Array | Int32Array> {
  length = 0;
  readonly #chunks: Values[] = [];
  constructor(readonly make: new (length: number) => Values) {}

  push(value: number): void {
    const at = this.length++ % CHUNK;
    if (at === 0) this.#chunks.push(new this.make(CHUNK));
    (this.#chunks.at(-1) as Values)[at] = value;
  }

  get(i: number): number {
    return (this.#chunks[Math.floor(i / CHUNK)] as Values)[i % CHUNK] as number;
  }

  toArray(): Values {
    const all = new this.make(this.length);
    for (let i = 0; i < this.length; i++) all[i] = this.get(i);
    return all;
  }
}

export interface ColumnOptions {
  /** Name of the file, for errors. */
  readonly name: string;
  readonly index: number;
  readonly title: string | undefined;
  readonly style: NumberStyle;
  /** Present for the label's column, with what the caller says that labels are. */
  readonly label?: { readonly task: "classes" | "values" | undefined };
}

export class Column {
  readonly index: number;
  /** Name of the column in errors and features. */
  readonly title: string;
  readonly isLabel: boolean;
  count = 0;
  /** Whether all cells are numbers. */
  isNumbers = true;
  readonly #options: ColumnOptions;
  readonly #numbers = new NumberList(Float32Array);
  /** For each cell the number of its text in `#texts`. */
  readonly #codes = new NumberList(Int32Array);
  /** The different texts (of a label also numbers, in one spelling), numbered in order of appearance. */
  readonly #texts = new Map<string, number>();
  /** Original spelling of labels with zeros in front. */
  readonly #padded = new Map<string, string>();
  #isWhole = true;
  #isBoolean = true;
  /** The first number that float32 can't hold, with its place. */
  #tooLarge: string | undefined;

  constructor(options: ColumnOptions) {
    this.#options = options;
    this.index = options.index;
    this.title = options.title || `column ${options.index + 1}`;
    this.isLabel = options.label !== undefined;
  }

  #where(line: number): string {
    const { name, index, title } = this.#options;
    return `${name}: line ${line}, column ${index + 1}${title ? ` (${title})` : ""}`;
  }

  add(cell: string, line: number): void {
    const text = cell.trim();
    this.count++;
    // Most cells of a text column hold a text that was seen before.
    const known = this.isNumbers ? undefined : this.#texts.get(text);
    if (known !== undefined) {
      this.#codes.push(known);
      return;
    }
    const value = this.#options.style.parse(text, () => this.#where(line));
    if (value === undefined && MISSING.test(text)) {
      const what = text === "" ? "the cell is empty" : `${quote(text)} is no value`;
      throw new FormatError(`${this.#where(line)}: ${what}; fill it in or leave out the line`);
    }
    if (this.isLabel) this.#addLabel(text, value, line);
    else if (value === undefined) this.#addText(text, line);
    else this.#addNumber(text, value, line);
  }

  #addNumber(text: string, value: number, line: number): void {
    if (this.isNumbers && isFloat32(value)) {
      this.#numbers.push(value);
      return;
    }
    throw new FormatError(
      this.isNumbers
        ? `${this.#where(line)}: ${text} is too large for float32`
        : `${this.#where(line)}: expected text as in the lines above, got the number ${quote(text)}`,
    );
  }

  #addText(text: string, line: number): void {
    if (this.#numbers.length > 0) {
      const why = lookalike(text);
      const what = `expected a number as in the lines above, got ${quote(text)}`;
      throw new FormatError(`${this.#where(line)}: ${what}${why ? `, which ${why}` : ""}`);
    }
    this.isNumbers = false;
    this.#isBoolean &&= BOOLEAN.test(text);
    this.#codes.push(this.#codeOf(text, line, MOST_TEXTS));
  }

  #addLabel(text: string, value: number | undefined, line: number): void {
    if (value === undefined) {
      this.isNumbers = false;
      if (this.#options.label?.task === "values") {
        const what = `the label ${quote(this.title)} holds text, which can't be a target value`;
        const why = lookalike(text) ?? "is no number";
        throw new FormatError(`${this.#where(line)}: ${what}: ${quote(text)} ${why}`);
      }
    } else {
      if (!isFloat32(value)) this.#tooLarge ??= `${this.#where(line)}: ${text}`;
      this.#isWhole &&= Number.isInteger(value);
      this.#numbers.push(value);
    }
    // Labels with so many different numbers are target values; only texts must be classes.
    if (this.isNumbers && this.#texts.size > MOST_CLASSES) return;
    const key = value === undefined ? this.#spelling(text) : numberKey(text, value);
    if (PADDED.test(text) && !this.#texts.has(key)) this.#padded.set(key, text);
    this.#codes.push(this.#codeOf(key, line, this.isNumbers ? MOST_CLASSES + 1 : MOST_CLASSES));
  }

  /** True, TRUE and true are one class, named like the first of them. */
  #spelling(text: string): string {
    if (!BOOLEAN.test(text)) return text;
    const lower = text.toLowerCase();
    return [...this.#texts.keys()].slice(0, 100).find((known) => known.toLowerCase() === lower) ?? text;
  }

  #codeOf(text: string, line: number, most: number): number {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const isNumber = this.isLabel && this.isNumbers;
    const why = isNumber || this.#options.label?.task === "classes" ? undefined : lookalike(text);
    const remedy = this.isLabel ? "" : "leave the column out with `ignore`";
    if (why !== undefined) {
      const advice = `write plain numbers such as 1234.5${remedy && `, or ${remedy}`}`;
      throw new FormatError(`${this.#where(line)}: ${quote(text)} ${why}; ${advice}`);
    }
    const code = this.#texts.size;
    if (code >= most) {
      const what = `more than ${most} different ${this.isLabel ? "labels" : "texts"}`;
      throw new FormatError(`${this.#where(line)}: ${what}${remedy && `; ${remedy}`}`);
    }
    this.#texts.set(text, code);
    return code;
  }

  /** Whether all labels are whole numbers of at most `most` different values. */
  isWhole(most: number): boolean {
    return this.isNumbers && this.#isWhole && this.#texts.size <= most;
  }

  /** Whether labels are identifiers such as 007, which are classes however many there are. */
  get isIdentifier(): boolean {
    return this.isNumbers && this.#isWhole && this.#padded.size > 0;
  }

  /** The labels as numbers. Throws FormatError where float32 can't hold one. */
  values(): Float32Array {
    expectFormat(this.#tooLarge === undefined, `${this.#tooLarge} is too large for float32`);
    return this.#numbers.toArray();
  }

  /** The different texts, sorted (numbers by size, others by code unit), and for each cell the index of its text. */
  classes(): { readonly names: string[]; readonly labels: Int32Array } {
    expectFormat(
      !this.isLabel || this.#texts.size <= MOST_CLASSES,
      `${this.#options.name}: the label ${quote(this.title)} has more than ${MOST_CLASSES} different values`,
    );
    const names = [...this.#texts.keys()];
    if (this.isNumbers) names.sort(bySize);
    else if (names.every((text) => BOOLEAN.test(text))) names.sort(falseFirst);
    else names.sort();
    const ranks = new Map(names.map((text, rank) => [text, rank]));
    const rankOfCode = Int32Array.from(this.#texts.keys(), (text) => ranks.get(text) as number);
    return {
      names: names.map((name) => this.#padded.get(name) ?? name),
      labels: this.#codes.toArray().map((code) => rankOfCode[code] as number),
    };
  }

  /** Names of the columns that the network sees: one for numbers and booleans, otherwise one per different text. */
  get features(): readonly string[] {
    if (this.isNumbers || this.#isBoolean) return [this.title];
    return [...this.#texts.keys()].sort().map((text) => `${this.title}=${text}`);
  }

  /** Writes the features of all rows. The first feature of row i goes to out[offset + i * stride]. */
  write(out: Float32Array, offset: number, stride: number): void {
    const codes = this.isNumbers ? undefined : this.classes();
    for (let row = 0; row < this.count; row++) {
      const at = offset + row * stride;
      if (codes === undefined) out[at] = this.#numbers.get(row);
      else {
        const label = codes.labels[row] as number;
        if (this.#isBoolean) out[at] = codes.names[label]?.toLowerCase() === "true" ? 1 : 0;
        else out[at + label] = 1;
      }
    }
  }
}

const isFloat32 = (value: number) => Number.isFinite(Math.fround(value));

const falseFirst = (a: string, b: string) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1);

/** One spelling for each number: 1 and 1.0 are one class, and whole numbers beyond 2^53 stay apart. */
function numberKey(text: string, value: number): string {
  if (!Number.isInteger(value) || Number.isSafeInteger(value)) return String(value === 0 ? 0 : value);
  return /^[+-]?\d+$/.test(text) ? String(BigInt(text.replace("+", ""))) : String(value);
}

function bySize(a: string, b: string): number {
  const difference = Number(a) - Number(b);
  if (difference !== 0 && !Number.isNaN(difference)) return difference;
  const isWhole = (text: string) => /^-?\d+$/.test(text);
  if (isWhole(a) && isWhole(b)) return BigInt(a) < BigInt(b) ? -1 : 1;
  return a < b ? -1 : 1;
}
