/**
 * Plain data from files, which may come from anybody: parsed as JSON, then read field by field. A value that is not of the
 * kind, range or size that the reader expects is refused with a FormatError that names file and field.
 */
import { FormatError } from "./errors.ts";

/** Longest text that is parsed, in UTF-16 units. */
const MOST_CHARACTERS = 2 ** 26;
/** Most entries of a list, unless the reader says otherwise. */
const MOST_ENTRIES = 2 ** 20;
const MOST_TEXT = 10_000;

/** The value of a JSON text. `place` is what errors name: a file, and what of it. */
export function parseJson(text: string, place: string): unknown {
  if (text.length > MOST_CHARACTERS)
    throw new FormatError(`${place}: has ${text.length} characters, the limit is ${MOST_CHARACTERS}`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${place}: is not JSON: ${(cause as Error).message}`, { cause });
  }
}

/**
 * The fields of an object, or the entries of a list under the names "0", "1", … Each method that takes a name throws where
 * that field is missing, except `get`, `has` and `optional`.
 */
export class Fields {
  readonly values: Readonly<Record<string, unknown>>;

  /** `Failure`: class of the errors. `isList`: reads the entries of a list. */
  constructor(
    value: unknown,
    readonly place: string,
    readonly Failure: new (message: string) => FormatError = FormatError,
    readonly isList = false,
  ) {
    this.values = value as Readonly<Record<string, unknown>>;
    const isObject = typeof value === "object" && value !== null && Array.isArray(value) === isList;
    if (!isObject) throw new Failure(`${place}: expected an object, got ${shown(value)}`);
  }

  static parse(text: string, place: string): Fields {
    return new Fields(parseJson(text, place), place);
  }

  get names(): string[] {
    return Object.keys(this.values);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  get(name: string): unknown {
    return Object.hasOwn(this.values, name) ? this.values[name] : undefined;
  }

  /** Throws an error that names the field, and says which rule it breaks; without `name` it is about the whole object. */
  refuse(rule: string, name?: string): never {
    throw new this.Failure(`${name === undefined ? this.place : this.#path(name)}: ${rule}`);
  }

  /** Throws an error that says what the field must be. */
  fail(name: string, expected: string): never {
    if (!this.has(name)) this.refuse(`has no ${name}, which must be ${expected}`);
    throw new this.Failure(`${this.#path(name)} must be ${expected}, got ${shown(this.values[name])}`);
  }

  optional<T>(name: string, read: (name: string) => T): T | undefined {
    return this.has(name) ? read(name) : undefined;
  }

  whole(name: string, least = 0, most = Number.MAX_SAFE_INTEGER): number {
    const value = this.get(name);
    if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most)
      this.fail(name, `a whole number from ${least} to ${most}`);
    return value as number;
  }

  /** An index into a list of `length` entries. */
  index(name: string, length: number): number {
    return this.whole(name, 0, length - 1);
  }

  /** JSON writes NaN and infinities as null. */
  number(name: string): number | null {
    const value = this.get(name);
    if (value !== null && typeof value !== "number") this.fail(name, "a number");
    return value as number | null;
  }

  /** A finite number that float32 can hold. */
  float32(name: string): number {
    const value = this.get(name);
    if (typeof value !== "number" || !Number.isFinite(Math.fround(value)))
      this.fail(name, "a float32 number");
    return value as number;
  }

  text(name: string, most = MOST_TEXT): string {
    const value = this.get(name);
    if (typeof value !== "string" || value.length > most)
      this.fail(name, `a text of at most ${most} characters`);
    return value as string;
  }

  /** A text of this form; `expected` describes it. */
  matching(name: string, pattern: RegExp, expected: string): string {
    const value = this.get(name);
    if (typeof value !== "string" || value.length > MOST_TEXT || !pattern.test(value))
      this.fail(name, expected);
    return value as string;
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T {
    const value = this.get(name);
    if (!choices.includes(value as T)) this.fail(name, choices.join(" or "));
    return value as T;
  }

  /** What `read` makes of each entry of a list. It is called with the entries as Fields, and the name of the next one. */
  list<T>(name: string, read: (entries: Fields, name: string) => T, most = MOST_ENTRIES, least = 0): T[] {
    const value = this.get(name);
    if (!Array.isArray(value) || value.length > most || value.length < least)
      return this.fail(name, `a list of ${least} to ${most} entries`);
    const entries = new Fields(value, this.#path(name), this.Failure, true);
    return Array.from(value, (_, i) => read(entries, String(i)));
  }

  objects<T>(name: string, read: (entry: Fields, index: number) => T, most?: number, least?: number): T[] {
    return this.list(name, (entries, i) => read(entries.fields(i), Number(i)), most, least);
  }

  wholes(name: string, least: number, most: number, mostEntries?: number, leastEntries?: number): number[] {
    return this.list(name, (entries, i) => entries.whole(i, least, most), mostEntries, leastEntries);
  }

  fields(name: string): Fields {
    return new Fields(this.get(name), this.#path(name), this.Failure);
  }

  /** An object of at most `most` entries with any names; `read` is called as by `list`. */
  record<T>(name: string, read: (entries: Fields, name: string) => T, most: number): Record<string, T> {
    const entries = this.fields(name);
    const { names } = entries;
    if (names.length > most) entries.refuse(`has more than ${most} entries`);
    if (names.includes("__proto__")) entries.refuse("has an entry __proto__");
    return Object.fromEntries(names.map((key) => [key, read(entries, key)]));
  }

  /** Refuses field `name`, whose entries are `values`, if two of them are the same. */
  unique(name: string, values: readonly unknown[]): void {
    const seen = new Set<unknown>();
    for (const value of values) {
      if (seen.has(value)) this.refuse(`has ${shown(value)} twice`, name);
      seen.add(value);
    }
  }

  /** Refuses a file of a later version by name. Files of early versions have no number. */
  format(known: number): void {
    if (!this.has("format")) return;
    const format = this.whole("format", 1);
    if (format > known) throw laterFormat(this.place, format, known);
  }

  #path(name: string): string {
    const short = name.slice(0, 64);
    return this.isList ? `${this.place}[${short}]` : `${this.place}: ${short}`;
  }
}

export function laterFormat(place: string, format: number, known: number): FormatError {
  return new FormatError(
    `${place}: has format ${format}, this version of Weft knows formats up to ${known}; update Weft`,
  );
}

/** A value in a few words; lists and objects are not written out, since they may be large. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
