/**
 * Columns of a table as they are read cell by cell: numbers, or texts that become one column per different text.
 * What the first cell holds, number or text, all the others must hold.
 * Refuses empty cells, cells of the other kind, and texts with too many different values, naming line and column.
 */
import { FormatError } from "../errors.ts";
import { decimal, quote } from "./number-lines.ts";

/** Most different texts in a column of features. */
const MOST_TEXTS = 64;
const MISSING = /^(na|n\/a|nan|null|none|\?|-)?$/i;

export interface Cell {
  readonly text: string;
  readonly line: number;
}

export class Column {
  readonly #where: (line: number) => string;
  #numbers: number[] | undefined;
  /** Each different text with its number in order of appearance. */
  readonly #texts = new Map<string, number>();
  readonly #codes: number[] = [];

  constructor(
    name: string,
    readonly index: number,
    readonly title: string | undefined,
    /** Labels may be of any number of different texts. */
    readonly isLabel: boolean,
  ) {
    const column = title === undefined ? `column ${index + 1}` : `column ${index + 1} (${title})`;
    this.#where = (line) => `${name}: line ${line}, ${column}`;
  }

  add({ text, line }: Cell): void {
    if (MISSING.test(text)) {
      const what = text === "" ? "the cell is empty" : `${quote(text)} is no value`;
      throw new FormatError(`${this.#where(line)}: ${what}; fill it in or leave out the line`);
    }
    const value = decimal(text);
    if (value !== undefined && !Number.isFinite(Math.fround(value))) {
      throw new FormatError(`${this.#where(line)}: ${text} is too large for float32`);
    }
    const isFirst = this.#codes.length === 0;
    if (isFirst && value !== undefined) this.#numbers = [];
    if (this.#numbers !== undefined && value !== undefined) this.#numbers.push(value);
    else if (this.#numbers !== undefined && !this.isLabel) {
      throw new FormatError(
        `${this.#where(line)}: expected a number as in the lines above, got ${quote(text)}`,
      );
    } else this.#numbers = undefined;
    // 1 and 1.0 are one class.
    const key = this.#numbers === undefined ? text : String(value);
    let code = this.#texts.get(key);
    if (code === undefined && (this.isLabel || this.#numbers === undefined)) {
      code = this.#texts.size;
      this.#texts.set(key, code);
      if (code >= MOST_TEXTS && !this.isLabel) {
        throw new FormatError(
          `${this.#where(line)}: more than ${MOST_TEXTS} different texts; leave the column out with \`ignore\``,
        );
      }
    }
    this.#codes.push(code ?? 0);
  }

  /** The cells as numbers; undefined if any is text. */
  get numbers(): readonly number[] | undefined {
    return this.#numbers;
  }

  /** How many different cells a column of labels or texts has. */
  get different(): number {
    return this.#texts.size;
  }

  /** Different texts in order (numbers by size, else by code unit), and each cell's place among them. */
  classes(): { readonly names: string[]; readonly labels: Int32Array } {
    const names = [...this.#texts.keys()];
    if (this.#numbers) names.sort((a, b) => Number(a) - Number(b) || (a < b ? -1 : 1));
    else names.sort();
    const places = new Map(names.map((text, place) => [text, place]));
    const rank = Int32Array.from(this.#texts.keys(), (text) => places.get(text) as number);
    return { names, labels: Int32Array.from(this.#codes, (code) => rank[code] as number) };
  }

  /** Names of the columns that the network sees: one, or one per different text. */
  get features(): readonly string[] {
    const title = this.title ?? `column ${this.index + 1}`;
    return this.#numbers ? [title] : this.classes().names.map((text) => `${title}=${text}`);
  }

  /** Writes the features of all rows: row i's first one at out[offset + i * stride]. */
  write(out: Float32Array, offset: number, stride: number): void {
    if (this.#numbers) {
      this.#numbers.forEach((value, row) => {
        out[offset + row * stride] = value;
      });
      return;
    }
    this.classes().labels.forEach((label, row) => {
      out[offset + row * stride + label] = 1;
    });
  }
}
