/** Checks plain data from a file field by field. What does not fit is thrown as ProgramError with its path. */
import { ProgramError } from "../common/errors.ts";

export class Checker {
  constructor(readonly name: string) {}

  fail(path: string, rule: string): never {
    throw new ProgramError(`${this.name}: ${path === "" ? "" : `${path}: `}${rule}`);
  }

  fields(path: string, value: unknown): Fields {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.fail(path, `expected an object, got ${shown(value)}`);
    }
    return new Fields(this, path, value as Record<string, unknown>);
  }

  whole(path: string, value: unknown, least: number, most: number): number {
    if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
      this.fail(path, `expected a whole number from ${least} to ${most}, got ${shown(value)}`);
    }
    return value as number;
  }

  /** A number that float32 can hold. */
  float(path: string, value: unknown): number {
    if (typeof value !== "number" || !Number.isFinite(Math.fround(value))) {
      this.fail(path, `expected a float32 number, got ${shown(value)}`);
    }
    return value;
  }

  text(path: string, value: unknown, most: number): string {
    if (typeof value !== "string" || value.length > most) {
      this.fail(path, `expected text of at most ${most} characters, got ${shown(value)}`);
    }
    return value;
  }

  list<T>(
    path: string,
    value: unknown,
    most: number,
    least: number,
    one: (path: string, value: unknown) => T,
  ): T[] {
    if (!Array.isArray(value) || value.length > most || value.length < least) {
      this.fail(path, `expected a list of ${least} to ${most}, got ${shown(value)}`);
    }
    return Array.from(value, (element, i) => one(`${path}[${i}]`, element));
  }

  unique(path: string, values: readonly unknown[]): void {
    const seen = new Set<unknown>();
    for (const value of values) {
      if (seen.has(value)) this.fail(path, `has ${shown(value)} twice`);
      seen.add(value);
    }
  }
}

/** The fields of an object in a file. */
export class Fields {
  constructor(
    readonly check: Checker,
    readonly path: string,
    readonly value: Readonly<Record<string, unknown>>,
  ) {}

  get(name: string): unknown {
    return Object.hasOwn(this.value, name) ? this.value[name] : undefined;
  }

  whole(name: string, least: number, most: number): number {
    return this.check.whole(this.#at(name), this.get(name), least, most);
  }

  /** A place in a list of `length`. */
  index(name: string, length: number): number {
    return this.whole(name, 0, length - 1);
  }

  float(name: string): number {
    return this.check.float(this.#at(name), this.get(name));
  }

  text(name: string, most: number): string {
    return this.check.text(this.#at(name), this.get(name), most);
  }

  one<T extends string>(name: string, choices: readonly T[]): T {
    const value = this.get(name);
    if (!choices.includes(value as T)) {
      this.check.fail(this.#at(name), `expected ${choices.join(" or ")}, got ${shown(value)}`);
    }
    return value as T;
  }

  list<T>(name: string, most: number, least: number, one: (path: string, value: unknown) => T): T[] {
    return this.check.list(this.#at(name), this.get(name), most, least, one);
  }

  /** An object of any names. */
  entries<T>(
    name: string,
    most: number,
    one: (path: string, value: unknown, name: string) => T,
  ): Record<string, T> {
    const path = this.#at(name);
    const { value } = this.check.fields(path, this.get(name));
    const names = Object.keys(value);
    if (names.length > most) this.check.fail(path, `has more than ${most} entries`);
    if (names.includes("__proto__")) this.check.fail(path, "has an entry __proto__");
    return Object.fromEntries(names.map((key) => [key, one(`${path}.${key.slice(0, 64)}`, value[key], key)]));
  }

  #at(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }
}

/** A value as an error shows it. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
