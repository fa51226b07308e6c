/**
 * Columns of a table as they are read cell by cell: numbers, True and False, or texts that become one column per
 * different text. What the first cell holds, number or text, all the others must hold, except in a column of labels.
 * Refuses empty cells, cells of the other kind, texts that look like numbers or dates, and texts with too many different
 * values, naming line and column.
 */
import { FormatError } from "../../common/errors.ts";
import { quote } from "../../common/printable.ts";
import { lookalike, MISSING, type NumberStyle } from "./numbers.ts";

/** Most different texts in a column of features, and most different labels. */
const MOST_TEXTS = 64;
const MOST_CLASSES = 65_536;
const BOOLEAN = /^(?:true|false)$/i;
/** Numbers are not written so, codes are. */
const PADDED = /^0\d+$/;
const CHUNK = 2 ** 16;

/** Numbers that come one by one; a plain array of so many may be longer than V8 allows. */
class Growing<Values extends Float32Array | Int32Array> {
  length = 0;
  readonly #chunks: Values[] = [];
  constructor(readonly make: new (length: number) => Values) {}

  push(value: number): void {
    const at = this.length % CHUNK;
    if (at === 0) this.#chunks.push(new this.make(CHUNK));
    (this.#chunks.at(-1) as Values)[at] = value;
    this.length++;
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
  /** Named in errors. */
  readonly name: string;
  readonly index: number;
  readonly title: string | undefined;
  readonly style: NumberStyle;
  /** Whether it is the label's, and what the caller says that the label is. */
  readonly label?: { readonly task: "classes" | "values" | undefined };
}

export class Column {
  readonly index: number;
  /** The name that errors and columns of features bear. */
  readonly title: string;
  readonly isLabel: boolean;
  readonly #options: ColumnOptions;
  readonly #numbers = new Growing(Float32Array);
  readonly #codes = new Growing(Int32Array);
  /** Each different text (of a label: text or number) with its number in order of appearance. */
  readonly #texts = new Map<string, number>();
  #count = 0;
  #isNumbers = true;
  #isWhole = true;
  /** Where a number stands that float32 can't hold. */
  #tooLarge: string | undefined;
  #isBoolean = true;
  /** How labels with zeros in front of them are written, by number: codes such as 007. */
  readonly #padded = new Map<string, string>();

  constructor(options: ColumnOptions) {
    this.#options = options;
    this.index = options.index;
    this.title = options.title || `column ${options.index + 1}`;
    this.isLabel = options.label !== undefined;
  }

  readonly #where = (line: number) => {
    const { name, index, title } = this.#options;
    return `${name}: line ${line}, column ${index + 1}${title ? ` (${title})` : ""}`;
  };

  add(cell: string, line: number): void {
    const text = cell.trim();
    // A text that was there before; this is the way of most cells.
    const known = this.#isNumbers ? undefined : this.#texts.get(text);
    if (known !== undefined) {
      this.#codes.push(known);
      this.#count++;
      return;
    }
    const value = this.#options.style.parse(text, () => this.#where(line));
    if (value === undefined && MISSING.test(text)) {
      const what = text === "" ? "the cell is empty" : `${quote(text)} is no value`;
      throw new FormatError(`${this.#where(line)}: ${what}; fill it in or leave out the line`);
    }
    if (this.isLabel) this.#addLabel(text, value, line);
    else if (value !== undefined) this.#addNumber(text, value, line);
    else this.#addText(text, line);
    this.#count++;
  }

  #addNumber(text: string, value: number, line: number): void {
    if (!this.#isNumbers) {
      throw new FormatError(
        `${this.#where(line)}: expected text as in the lines above, got the number ${quote(text)}`,
      );
    }
    if (!Number.isFinite(Math.fround(value))) {
      throw new FormatError(`${this.#where(line)}: ${text} is too large for float32`);
    }
    this.#numbers.push(value);
  }

  #addText(text: string, line: number): void {
    if (this.#isNumbers && this.#count > 0) {
      const why = lookalike(text);
      throw new FormatError(
        `${this.#where(line)}: expected a number as in the lines above, got ${quote(text)}${why ? `, which ${why}` : ""}`,
      );
    }
    this.#isNumbers = false;
    this.#isBoolean &&= BOOLEAN.test(text);
    this.#codes.push(this.#codeOf(text, line, MOST_TEXTS));
  }

  #addLabel(text: string, value: number | undefined, line: number): void {
    if (value === undefined) {
      this.#isNumbers = false;
      if (this.#options.label?.task === "values") {
        const why = lookalike(text) ?? "is no number";
        throw new FormatError(
          `${this.#where(line)}: the label ${quote(this.title)} holds text, which can't be a target value: ${quote(text)} ${why}`,
        );
      }
    } else {
      if (!Number.isFinite(Math.fround(value))) this.#tooLarge ??= `${this.#where(line)}: ${text}`;
      this.#isWhole &&= Number.isInteger(value);
      this.#numbers.push(value);
    }
    // So many different numbers are no classes; texts are nothing else.
    const isFull = this.#texts.size > MOST_CLASSES;
    if (isFull && this.#isNumbers) return;
    // 1 and 1.0 are one class, and whole numbers beyond 2^53 are told apart.
    const key = value === undefined ? this.#spelling(text) : numberKey(text, value);
    if (PADDED.test(text) && !this.#texts.has(key)) this.#padded.set(key, text);
    const code = this.#codeOf(key, line, this.#isNumbers ? MOST_CLASSES + 1 : MOST_CLASSES);
    this.#codes.push(code);
  }

  /** True, TRUE and true are one class, called as the first of them. */
  #spelling(text: string): string {
    if (!BOOLEAN.test(text)) return text;
    const lower = text.toLowerCase();
    return [...this.#texts.keys()].slice(0, 100).find((known) => known.toLowerCase() === lower) ?? text;
  }

  #codeOf(text: string, line: number, most: number): number {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const isText = !(this.isLabel && this.#isNumbers);
    const why = isText && this.#options.label?.task !== "classes" ? lookalike(text) : undefined;
    if (why !== undefined) {
      throw new FormatError(
        `${this.#where(line)}: ${quote(text)} ${why}; write plain numbers such as 1234.5` +
          (this.isLabel ? "" : ", or leave the column out with `ignore`"),
      );
    }
    const code = this.#texts.size;
    if (code >= most) {
      const advice = this.isLabel ? "" : "; leave the column out with `ignore`";
      throw new FormatError(
        `${this.#where(line)}: more than ${most} different ${this.isLabel ? "labels" : "texts"}${advice}`,
      );
    }
    this.#texts.set(text, code);
    return code;
  }

  /** How many cells there are. */
  get count(): number {
    return this.#count;
  }

  /** Whether all labels are whole numbers, and of at most `most` different values. */
  isWhole(most: number): boolean {
    return this.#isNumbers && this.#isWhole && this.#texts.size <= most;
  }

  /** Whether labels are codes of digits such as 007, which tell classes apart however many there are. */
  get isCode(): boolean {
    return this.#isNumbers && this.#isWhole && this.#padded.size > 0;
  }

  get isNumbers(): boolean {
    return this.#isNumbers;
  }

  /** The labels as numbers. Throws FormatError where float32 can't hold one. */
  values(): Float32Array {
    if (this.#tooLarge !== undefined) throw new FormatError(`${this.#tooLarge} is too large for float32`);
    return this.#numbers.toArray();
  }

  /** Different texts in order (numbers by size, else by code unit), and each cell's place among them. */
  classes(): { readonly names: string[]; readonly labels: Int32Array } {
    if (this.isLabel && this.#texts.size > MOST_CLASSES) {
      throw new FormatError(
        `${this.#options.name}: the label ${quote(this.title)} has more than ${MOST_CLASSES} different values`,
      );
    }
    const names = [...this.#texts.keys()];
    if (this.#isNumbers) names.sort(bySize);
    else if (names.every((text) => BOOLEAN.test(text))) names.sort(byLowerCase);
    else names.sort();
    const places = new Map(names.map((text, place) => [text, place]));
    const rank = Int32Array.from(this.#texts.keys(), (text) => places.get(text) as number);
    const labels = this.#codes.toArray();
    return {
      names: names.map((name) => this.#padded.get(name) ?? name),
      labels: labels.map((code) => rank[code] as number),
    };
  }

  get #isFlag(): boolean {
    return !this.#isNumbers && this.#isBoolean;
  }

  /** Names of the columns that the network sees: one, or one per different text. */
  get features(): readonly string[] {
    const { title } = this;
    if (this.#isNumbers || this.#isFlag) return [title];
    return [...this.#texts.keys()].sort().map((text) => `${title}=${text}`);
  }

  /** Writes the features of all rows: row i's first one at out[offset + i * stride]. */
  write(out: Float32Array, offset: number, stride: number): void {
    if (this.#isNumbers) {
      for (let row = 0; row < this.#count; row++) out[offset + row * stride] = this.#numbers.get(row);
      return;
    }
    if (this.#isFlag) {
      const values = Array.from(this.#texts.keys(), (text) => (text.toLowerCase() === "true" ? 1 : 0));
      for (let row = 0; row < this.#count; row++)
        out[offset + row * stride] = values[this.#codes.get(row)] as number;
      return;
    }
    this.classes().labels.forEach((label, row) => {
      out[offset + row * stride + label] = 1;
    });
  }
}

/** False before True, however they are written. */
const byLowerCase = (a: string, b: string) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1);

/** One text for each number. */
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
