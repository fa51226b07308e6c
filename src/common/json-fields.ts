/**
 * JSON out of files, which may come from anybody: parsed, then read field by field. What is not of the kind, range or size
 * that the reader expects is refused with a FormatError that names the place.
 */
import { FormatError } from "./errors.ts";

/** Longest text that is parsed, in UTF-16 units. */
const MOST_CHARACTERS = 2 ** 26;
/** Most entries of a list. */
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

/** The fields of a JSON object. Each method but `has` throws where the field is missing; `optional` answers undefined then. */
export class Fields {
  readonly values: Readonly<Record<string, unknown>>;

  constructor(
    value: unknown,
    readonly place: string,
  ) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new FormatError(`${place}: expected a JSON object, got ${excerpt(value)}`);
    this.values = value as Readonly<Record<string, unknown>>;
  }

  /** The object in the JSON text `text`. */
  static parse(text: string, place: string): Fields {
    return new Fields(parseJson(text, place), place);
  }

  get names(): string[] {
    return Object.keys(this.values);
  }

  fail(name: string, expected: string): never {
    throw new FormatError(
      this.has(name)
        ? `${this.place}: ${name} must be ${expected}, got ${excerpt(this.values[name])}`
        : `${this.place}: has no ${name}, which must be ${expected}`,
    );
  }

  has(name: string): boolean {
    return Object.hasOwn(this.values, name);
  }

  optional<T>(name: string, read: (name: string) => T): T | undefined {
    return this.has(name) ? read(name) : undefined;
  }

  whole(name: string, least = 0, most = Number.MAX_SAFE_INTEGER): number {
    const value = this.values[name];
    if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most)
      this.fail(name, `a whole number from ${least} to ${most}`);
    return value as number;
  }

  /** JSON writes NaN and infinities as null. */
  number(name: string): number | null {
    const value = this.values[name];
    if (value !== null && typeof value !== "number") this.fail(name, "a number");
    return value as number | null;
  }

  text(name: string, pattern = /^/, expected = `a text of at most ${MOST_TEXT} characters`): string {
    const value = this.values[name];
    if (typeof value !== "string" || value.length > MOST_TEXT || !pattern.test(value))
      this.fail(name, expected);
    return value as string;
  }

  list(name: string): readonly unknown[] {
    const value = this.values[name];
    if (!Array.isArray(value) || value.length > MOST_ENTRIES)
      this.fail(name, `a list of at most ${MOST_ENTRIES} entries`);
    return value as readonly unknown[];
  }

  fields(name: string): Fields {
    return new Fields(this.values[name], `${this.place}: ${name}`);
  }

  /** Refuses a file of a later version by name. Files of early versions have no number. */
  format(known: number): void {
    if (!this.has("format")) return;
    const format = this.whole("format", 1);
    if (format > known) throw laterFormat(this.place, format, known);
  }
}

export function laterFormat(place: string, format: number, known: number): FormatError {
  return new FormatError(
    `${place}: has format ${format}, this version of Weft knows formats up to ${known}; update Weft`,
  );
}

/** What was found, as far as it fits into a message. */
function excerpt(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
