/**
 * Options given by name, for every public function that takes some: a name that does not exist is refused with the nearest
 * one that does, and so is a value of another kind. The list of names and kinds stands beside the type of the options;
 * `OptionKinds` makes a list that disagrees with the type a compile error.
 */
import { ValueError } from "./errors.ts";
import { printable } from "./printable.ts";

/**
 * What the value of an option may be. `number` refuses NaN only: ranges are the function's own. `numbers`: a number or an
 * array of them. A list: one of these strings. `any`: the function itself refuses what it can't use.
 */
export type Kind =
  | "number"
  | "numbers"
  | "boolean"
  | "string"
  | "function"
  | "object"
  | "array"
  | "tensor"
  | "any"
  | readonly string[];

/** One entry for each option of `O`. */
export type OptionKinds<O> = { readonly [Name in Exclude<keyof O, keyof OtherNames>]-?: Kind };

/** Names of PyTorch and NumPy that are accepted for an option that Weft calls otherwise. */
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

/** All names accepted for another, and the option that each stands for. */
const ACCEPTED: Readonly<Record<keyof OtherNames, string>> = {
  axis: "axes",
  dim: "axes",
  keepdim: "keepDims",
  keepdims: "keepDims",
};

/** Names in other libraries that are refused, and what Weft calls them: too far apart for an edit distance. */
const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  amount: ["fraction"],
  beta1: ["betas"],
  beta2: ["betas"],
  ddof: ["correction"],
  unbiased: ["correction"],
  decay: ["weightDecay"],
  l2: ["weightDecay"],
  wd: ["weightDecay"],
  device: ["backend"],
  elementwiseaffine: ["affine"],
  ema: ["averageDecay"],
  etamin: ["minLearningRate"],
  minlr: ["minLearningRate"],
  finaldivfactor: ["endDivisor"],
  divfactor: ["startDivisor"],
  pctstart: ["riseShare"],
  gradientaccumulation: ["accumulate"],
  initializer: ["weightInit"],
  kernelinitializer: ["weightInit"],
  lr: ["learningRate"],
  maxlr: ["learningRate"],
  initiallearningrate: ["learningRate"],
  maxnorm: ["clipNorm"],
  gradclip: ["clipNorm"],
  power: ["power"],
  randomstate: ["seed"],
  rho: ["alpha"],
  returnindices: ["indices"],
  sep: ["delimiter"],
  testsize: ["test", "testShare", "fraction"],
  tmax: ["steps"],
  decaysteps: ["steps"],
  totalsteps: ["steps"],
  t0: ["period"],
  tmult: ["factor"],
  weights: ["classWeights"],
  weight: ["classWeights"],
  usebias: ["bias"],
  valdata: ["validation"],
  validationdata: ["validation"],
};

/** Kinds in words. */
const WORDS: Readonly<Record<Exclude<Kind, readonly string[]>, string>> = {
  number: "a number",
  numbers: "a number or an array of numbers",
  boolean: "true or false",
  string: "a string",
  function: "a function",
  object: "an object",
  array: "an array",
  tensor: "a tensor",
  any: "anything",
};

const NONE = Object.freeze({});

/**
 * `passed` with other accepted names replaced by Weft's; the same object where there are none. Throws ValueError, naming
 * `who`, on anything but an object, on unknown names and on values of another kind. `undefined` counts as not given.
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
    let known = name;
    if (!Object.hasOwn(kinds, name)) {
      known = Object.hasOwn(ACCEPTED, name) ? ACCEPTED[name as keyof OtherNames] : "";
      if (!Object.hasOwn(kinds, known)) throw unknownName(who, "option", name, names);
      if (value !== undefined && (passed as Record<string, unknown>)[known] !== undefined) {
        throw new ValueError(`${who}: ${name} and ${known} are the same option; give one of them`);
      }
      const { [name]: _, ...others } = options;
      options = value === undefined ? others : { ...others, [known]: value };
    }
    const kind = (kinds as Readonly<Record<string, Kind>>)[known] as Kind;
    if (value !== undefined && !fits(kind, value)) {
      if (typeof kind === "string") {
        throw new ValueError(`${who}: ${name} must be ${WORDS[kind]}, got ${given(who, value)}`);
      }
      checkChoice(who, name, value, kind);
    }
  }
  return options as O;
}

/** Refuses a value that is none of `choices`, with the nearest one. */
export function checkChoice(who: string, name: string, value: unknown, choices: readonly string[]): void {
  if (typeof value === "string" && choices.includes(value)) return;
  const close = typeof value === "string" ? nearest(value, choices) : undefined;
  const hint = close === undefined ? "" : `; did you mean "${close}"?`;
  const list = choices.map((choice) => `"${choice}"`).join(", ");
  throw new ValueError(`${who}: ${name} must be one of ${list}, got ${shown(value)}${hint}`);
}

/** Refuses anything but a number; NaN is none. */
export function expectNumber(who: string, name: string, value: number): number {
  if (!isNumber(value)) throw new ValueError(`${who}: ${name} must be a number, got ${given(who, value)}`);
  return value;
}

/** `shown(value)`; if a layer factory was given a tensor because it was not called first, also what to write. */
export function given(who: string, value: unknown): string {
  const uncalled = who.startsWith("nn.") && isTensorLike(value);
  return uncalled ? `${shown(value)}; to use it as a layer, write ${who}(…) and not ${who}` : shown(value);
}

/** Refuses whatever is given to a function that has no options: JavaScript would ignore it. */
export function noOptions(who: string, passed: readonly unknown[]): void {
  if (passed.length > 0) throw new ValueError(`${who}: takes no options, got ${given(who, passed[0])}`);
}

/** What to throw where `name` is none of `names`; `what` says of what kind these are: option, metric. */
export function unknownName(who: string, what: string, name: string, names: readonly string[]): ValueError {
  const close = nearest(name, names);
  const hint = close === undefined ? "" : `; did you mean ${close}?`;
  const list = names.length === 0 ? "there are none" : `there are ${names.join(", ")}`;
  return new ValueError(`${who}: there is no ${what} ${shown(name)}${hint} (${list})`);
}

/** The element of `names` nearest to `name`; undefined if none is close. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
  const wanted = plain(name).slice(0, 40);
  const listed = Object.hasOwn(ELSEWHERE, wanted) ? ELSEWHERE[wanted] : undefined;
  const elsewhere = listed?.find((known) => names.includes(known));
  if (elsewhere !== undefined) return elsewhere;
  const scored = names
    .map((known) => ({ known, distance: editDistance(wanted, plain(known)) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = scored;
  if (best === undefined) return undefined;
  const longer = Math.max(wanted.length, plain(best.known).length);
  if (best.distance <= Math.max(1, Math.floor(longer / 3))) return best.known;
  return names.find((known) => wanted.length > 2 && plain(known).includes(wanted));
}

/** A function that gives `value` and refuses whatever it is called with. */
// @__NO_SIDE_EFFECTS__
export function withoutOptions<T>(who: string, value: T): (...none: readonly never[]) => T {
  return (...none) => {
    noOptions(who, none);
    return value;
  };
}

/** Insertions, deletions, replacements and swaps of neighbours that make one text of the other. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const at = (up: number, left: number) => rows[i - up]?.[j - left] ?? Number.POSITIVE_INFINITY;
      const replaced = at(1, 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(2, 2) + 1 : replaced;
      row.push(Math.min(at(1, 0) + 1, (row[j - 1] as number) + 1, replaced, swapped));
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] as number;
}

function fits(kind: Kind, value: unknown): boolean {
  switch (kind) {
    case "any":
      return true;
    case "number":
      return isNumber(value);
    case "numbers":
      return isNumber(value) || (isList(value) && Array.from(value).every(isNumber));
    case "boolean":
    case "string":
    case "function":
      return typeof value === kind;
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "array":
      return isList(value);
    case "tensor":
      return isTensorLike(value);
    default:
      return typeof value === "string" && kind.includes(value);
  }
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

/** An object of options: no array, tensor, promise, function or bytes. */
function isPlainObject(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return !(Array.isArray(value) || ArrayBuffer.isView(value) || isTensorLike(value) || isPromise(value));
}

/** Whether `value` is a promise that was not awaited. */
export function isPromise(value: unknown): boolean {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** `promise` with the methods of its result, which throw and say that the promise must be awaited. */
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

/** Whether `value` is a class, which a caller forgot to make an instance of. */
export function isClass(value: unknown): boolean {
  return typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
}

/** A value of any kind in a few words, for messages. */
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
