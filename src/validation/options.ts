/**
 * Checks options that are passed by name, for every public function that takes some. Unknown names are refused with the
 * nearest known one, and so are values of another kind. Each function declares the names and kinds of its options in a
 * constant of type `OptionKinds`; a constant that disagrees with the type of the options does not compile.
 */
import { ValueError } from "./errors.ts";
import { printable } from "./printable.ts";

/**
 * What the value of an option may be. `number`: any but NaN; ranges are checked by the function itself. `numbers`: a
 * number or an array of them. A list: one of these strings. `any`: checked by the function itself.
 */
export type Kind = keyof typeof KINDS | readonly string[];

/** One entry for each option of `O`; those of OtherNames may have one, if they are no other name of another option. */
export type OptionKinds<O> = { readonly [Name in Exclude<keyof O, keyof OtherNames>]-?: Kind } & {
  readonly [Name in keyof O & keyof OtherNames]?: Kind;
};

/** Names of PyTorch and NumPy that are accepted for options that Weft calls otherwise. */
export interface OtherNames {
  /** The same as `axes`. */
  readonly axis?: number | readonly number[];
  /** The same as `axes`. */
  readonly dim?: number | readonly number[];
  /** The same as `keepDims`. */
  readonly keepdim?: boolean;
  /** The same as `keepDims`. */
  readonly keepdims?: boolean;
}

/** Each accepted name with the option that it stands for. */
const ACCEPTED: Readonly<Record<keyof OtherNames, string>> = {
  axis: "axes",
  dim: "axes",
  keepdim: "keepDims",
  keepdims: "keepDims",
};

/** Options with their names in other libraries, in lower case, where these are too different for an edit distance. */
const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  accumulate: ["gradientaccumulation"],
  affine: ["elementwiseaffine"],
  alpha: ["rho"],
  averageDecay: ["ema"],
  axis: ["dim"],
  backend: ["device"],
  betas: ["beta1", "beta2"],
  bias: ["usebias"],
  causal: ["iscausal"],
  classWeights: ["weights", "weight"],
  clipNorm: ["maxnorm", "gradclip"],
  correction: ["ddof", "unbiased"],
  delimiter: ["sep"],
  endDivisor: ["finaldivfactor"],
  factor: ["tmult"],
  fraction: ["amount", "testsize"],
  indices: ["returnindices"],
  kvHeads: ["numkvheads", "numkeyvalueheads"],
  layers: ["numlayers"],
  lengths: ["keypaddingmask"],
  learningRate: ["lr", "maxlr", "initiallearningrate"],
  mask: ["attnmask"],
  minLearningRate: ["etamin", "minlr"],
  period: ["t0"],
  riseShare: ["pctstart"],
  seed: ["randomstate"],
  startDivisor: ["divfactor"],
  steps: ["tmax", "decaysteps", "totalsteps"],
  test: ["testsize"],
  testShare: ["testsize"],
  validation: ["valdata", "validationdata"],
  weightDecay: ["decay", "l2", "wd"],
  weightInit: ["initializer", "kernelinitializer"],
};

const NONE = Object.freeze({});

/**
 * Returns `passed` with other accepted names replaced by Weft's (the same object where there are none). Throws ValueError,
 * naming `who`, on anything but an object, on unknown names and on values of another kind. `undefined` counts as not given.
 */
export function checkOptions<O extends object>(who: string, passed: O | undefined, kinds: OptionKinds<O>): O {
  if (passed === undefined) return NONE as O;
  const names = Object.keys(kinds);
  if (!isPlainObject(passed)) {
    const example = names.length > 0 ? ` such as { ${names[0]}: … }` : "";
    throw new ValueError(`${who}: options must be an object${example}, got ${given(who, passed)}`);
  }
  let options = passed as Record<string, unknown>;
  for (const [name, value] of Object.entries(passed)) {
    const known = Object.hasOwn(kinds, name) ? name : ACCEPTED[name as keyof OtherNames];
    if (known === undefined || !Object.hasOwn(kinds, known)) throw unknownOption(who, name, names);
    if (known !== name) {
      if (value !== undefined && (passed as Record<string, unknown>)[known] !== undefined)
        throw new ValueError(`${who}: ${name} and ${known} are the same option; give one of them`);
      const { [name]: _, ...others } = options;
      options = value === undefined ? others : { ...others, [known]: value };
    }
    if (value !== undefined) checkKind(who, name, value, kinds[known as keyof OptionKinds<O>]);
  }
  return options as O;
}

/** Throws ValueError, naming those that are missing, unless `passed` has a value for each of `names`. */
export function expectGiven<O extends object>(who: string, passed: O, names: readonly (keyof O & string)[]) {
  const missing = names.filter((name) => passed?.[name] === undefined);
  if (missing.length > 0) throw new ValueError(`${who}: needs ${missing.join(", ")}`);
}

function checkKind(who: string, name: string, value: unknown, kind: Kind): void {
  if (typeof kind !== "string") checkChoice(who, name, value, kind);
  else {
    const [words, holds] = KINDS[kind];
    if (!holds(value)) throw new ValueError(`${who}: ${name} must be ${words}, got ${given(who, value)}`);
  }
}

/** Throws ValueError, with the nearest choice, unless `value` is one of `choices`. */
export function checkChoice(who: string, name: string, value: unknown, choices: readonly string[]): void {
  if (typeof value === "string" && choices.includes(value)) return;
  const close = typeof value === "string" ? nearest(value, choices) : undefined;
  const hint = close === undefined ? "" : `; did you mean "${close}"?`;
  const list = choices.map((choice) => `"${choice}"`).join(", ");
  throw new ValueError(`${who}: ${name} must be one of ${list}, got ${shown(value)}${hint}`);
}

/** Returns `value`. Throws ValueError unless it is a number other than NaN. */
export function expectNumber(who: string, name: string, value: number): number {
  if (isNumber(value)) return value;
  throw new ValueError(`${who}: ${name} must be a number, got ${given(who, value)}`);
}

/** `shown(value)`, and advice where a layer factory was used as a layer and therefore got a tensor. */
export function given(who: string, value: unknown): string {
  const isUncalled = who.startsWith("nn.") && isTensorLike(value);
  return isUncalled ? `${shown(value)}; to use it as a layer, write ${who}(…) and not ${who}` : shown(value);
}

/** Throws ValueError if a function without options was given any, which JavaScript would ignore. */
export function noOptions(who: string, passed: readonly unknown[]): void {
  if (passed.length > 0) throw new ValueError(`${who}: takes no options, got ${given(who, passed[0])}`);
}

/** A function that returns `value`, and throws ValueError if it is called with arguments. */
// @__NO_SIDE_EFFECTS__
export function withoutOptions<T>(who: string, value: T): (...none: readonly never[]) => T {
  return (...none) => {
    noOptions(who, none);
    return value;
  };
}

function unknownOption(who: string, name: string, names: readonly string[]): ValueError {
  const close = nearest(name, names);
  const hint = close === undefined ? "" : `; did you mean ${close}?`;
  const list = names.length === 0 ? "there are none" : `there are ${names.join(", ")}`;
  return new ValueError(`${who}: there is no option ${shown(name)}${hint} (${list})`);
}

/** The element of `names` that `name` probably means; undefined if none is similar. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
  const wanted = plain(name).slice(0, 40);
  const elsewhere = names.find(
    (known) => Object.hasOwn(ELSEWHERE, known) && ELSEWHERE[known]?.includes(wanted),
  );
  if (elsewhere !== undefined) return elsewhere;
  const [best] = names
    .map((known) => ({ known, distance: editDistance(wanted, plain(known)) }))
    .sort((a, b) => a.distance - b.distance);
  if (best === undefined) return undefined;
  const longer = Math.max(wanted.length, plain(best.known).length);
  if (best.distance <= Math.max(1, Math.floor(longer / 3))) return best.known;
  return names.find((known) => wanted.length > 2 && plain(known).includes(wanted));
}

/** Number of insertions, deletions, replacements and swaps of neighbours that turn one text into the other. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const at = (up: number, left: number) => rows[i - up]?.[j - left] ?? Number.POSITIVE_INFINITY;
      const replaced = at(1, 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? at(2, 2) + 1 : replaced;
      row.push(Math.min(at(1, 0) + 1, (row[j - 1] as number) + 1, replaced, swapped));
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] as number;
}

const isList = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && "length" in value);

const isNumber = (value: unknown): value is number => typeof value === "number" && !Number.isNaN(value);

const isTensorLike = (value: unknown) =>
  typeof value === "object" &&
  value !== null &&
  "dtype" in value &&
  "shape" in value &&
  Array.isArray(value.shape);

const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);

/** Each kind in words, and whether a value is of it. */
const KINDS = {
  number: ["a number", isNumber],
  numbers: [
    "a number or an array of numbers",
    (value: unknown) => isNumber(value) || (isList(value) && Array.from(value).every(isNumber)),
  ],
  boolean: ["true or false", (value: unknown) => typeof value === "boolean"],
  string: ["a string", (value: unknown) => typeof value === "string"],
  function: ["a function", (value: unknown) => typeof value === "function"],
  object: ["an object", isObject],
  array: ["an array", isList],
  tensor: ["a tensor", isTensorLike],
  any: ["anything but null", (value: unknown) => value !== null],
  anyOrNull: ["anything", () => true],
  // Checked by a `checkOptions` of its own.
  options: ["options", () => true],
} as const satisfies Record<string, readonly [words: string, holds: (value: unknown) => boolean]>;

/** Whether `value` may hold options: no array, tensor, promise, function or bytes. */
function isPlainObject(value: unknown): boolean {
  return isObject(value) && !(ArrayBuffer.isView(value) || isTensorLike(value) || isPromise(value));
}

/** Whether `value` is a promise that was not awaited. */
export function isPromise(value: unknown): boolean {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** Adds methods to `promise` that throw and say that it must be awaited, for callers who forgot that. */
export function notAwaited<T>(promise: Promise<T>, who: string, methods: readonly string[]): Promise<T> {
  for (const method of methods) {
    Object.defineProperty(promise, method, {
      value: () => {
        throw new ValueError(`${who}: gives a promise; write await ${who}(…) before you call ${method}`);
      },
    });
  }
  return promise;
}

/** Whether `value` is a class, for callers who forgot to make an instance of it. */
export function isClass(value: unknown): boolean {
  return typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
}

/** Describes a value of any kind in a few words, for messages. */
export function shown(value: unknown): string {
  if (typeof value === "string") {
    return printable(JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value));
  }
  if (isClass(value)) return "a class";
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) {
    const short = value.length <= 6 && value.every((v) => typeof v === "number");
    return short ? `[${value.join(", ")}]` : `an array of ${value.length}`;
  }
  if (isPromise(value)) return "a promise";
  if (isTensorLike(value)) {
    const { dtype, shape } = value as { dtype: unknown; shape: unknown[] };
    return `a tensor ${String(dtype)}[${shape.join(", ")}]`;
  }
  if (ArrayBuffer.isView(value)) return `a ${value.constructor.name}`;
  const keys = Object.keys(value);
  const more = keys.length > 5 ? ", …" : "";
  return keys.length === 0 ? "an object" : printable(`an object { ${keys.slice(0, 5).join(", ")}${more} }`);
}
