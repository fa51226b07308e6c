/**
 * Decides the `if`s of a WGSL module whose conditions are known when it is recorded, and leaves out what never runs. Knows
 * conditions of names, numbers, comparisons and logic; all others stay as they are.
 */

/** `code`, which has no comments, for these values of overrides; booleans are 0 and 1. */
export function foldWgsl(code: string, known: ReadonlyMap<string, number>): string {
  // A name that stands for something else somewhere is not known.
  const declares = (name: string) =>
    new RegExp(`\\b(let|var|const)\\s+${name}\\b|[(,]\\s*${name}\\s*:`).test(code);
  const sure = new Map([...known].filter(([name]) => !declares(name)));
  let text = code;
  for (let from = 0; ; ) {
    const found = nextIf(text, from);
    if (found === undefined) return text;
    const value = decided(found.condition, sure);
    if (value === undefined) {
      from = found.start + 2;
      continue;
    }
    const taken = value === 0 ? found.otherwise : found.then;
    // What follows a block that returns is never reached.
    const end =
      /\breturn\b[^;{}]*;\s*\}$/.test(taken) && !found.chained ? closing(text, found.end) : found.end;
    text = text.slice(0, found.start) + taken + text.slice(end);
    from = found.start;
  }
}

interface Found {
  readonly start: number;
  readonly end: number;
  readonly condition: string;
  /** A block with its braces. */
  readonly then: string;
  /** Likewise, or an `if`, or nothing. */
  readonly otherwise: string;
  /** It is what another `if` does else. */
  readonly chained: boolean;
}

/** The first `if` from `from` on, with all that belongs to it. */
function nextIf(text: string, from: number): Found | undefined {
  const start = text.slice(from).search(/\bif\b/) + from;
  if (start < from) return undefined;
  const open = text.indexOf("(", start);
  const close = after(text, open);
  const block = text.indexOf("{", close);
  let end = after(text, block);
  const then = text.slice(block, end);
  const rest = /^\s*else\b\s*/.exec(text.slice(end));
  let otherwise = "";
  if (rest !== null) {
    const begin = end + rest[0].length;
    end = text.startsWith("if", begin) ? (nextIf(text, begin) as Found).end : after(text, begin);
    otherwise = text.slice(begin, end);
  }
  const chained = /\belse\s*$/.test(text.slice(0, start));
  // An `else` needs something behind it.
  if (chained && otherwise === "") otherwise = "{}";
  return { start, end, condition: text.slice(open, close), then, otherwise, chained };
}

/** Where the bracket that opens at `open` has been closed. */
function after(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if ("({".includes(text.charAt(i))) depth++;
    else if (")}".includes(text.charAt(i)) && --depth === 0) return i + 1;
  }
  return text.length;
}

/** Where the block that `at` lies in ends. */
function closing(text: string, at: number): number {
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    if (text.charAt(i) === "{") depth++;
    else if (text.charAt(i) === "}" && depth-- === 0) return i;
  }
  return text.length;
}

const TOKENS = /\s*(&&|\|\||[=!<>]=|[!&|()<>]|[A-Za-z_]\w*|\d+(?:\.\d+)?[uif]?)\s*/y;

const COMPARE: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
};

/** The value of a condition, undefined if something in it is not known. */
function decided(condition: string, known: ReadonlyMap<string, number>): number | undefined {
  const tokens: string[] = [];
  TOKENS.lastIndex = 0;
  for (let at = 0; at < condition.length; at = TOKENS.lastIndex) {
    const token = TOKENS.exec(condition)?.[1];
    if (token === undefined) return undefined;
    tokens.push(token);
  }
  const take = (...wanted: string[]) => (wanted.includes(tokens[0] as string) ? tokens.shift() : undefined);
  let unknown = false;
  const single = (): number => {
    if (take("!")) return Number(single() === 0);
    if (take("(")) {
      const value = either();
      if (take(")") === undefined) unknown = true;
      return value;
    }
    const token = tokens.shift() ?? "";
    const value = { true: 1, false: 0 }[token] ?? known.get(token) ?? Number.parseFloat(token);
    if (Number.isNaN(value)) unknown = true;
    return value;
  };
  const compared = (): number => {
    const left = single();
    const operator = take(...Object.keys(COMPARE));
    return operator === undefined ? left : Number(COMPARE[operator]?.(left, single()));
  };
  const both = (): number => {
    let value = compared();
    while (take("&", "&&")) value &= compared();
    return value;
  };
  const either = (): number => {
    let value = both();
    while (take("|", "||")) value |= both();
    return value;
  };
  const value = either();
  return unknown || tokens.length > 0 ? undefined : value;
}
