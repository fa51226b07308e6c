/**
 * A Vite plugin that shortens WGSL in a build: comments and blanks go, variables of functions get short names, the same
 * ones in every file. Names that files share with each other or with the host (functions, overrides, buffers) stay.
 * `weft doctor` of the built command line checks every kernel that comes out of it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

/** Comments and blanks; names; numbers with their suffix; single signs. */
const TOKEN = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|\s+|[A-Za-z_]\w*|0[xX]\w+|\d+\.?\d*(?:[eE][-+]?\d+)?[iufh]?|\S/g;
const isBlank = (token: string) => /^(\/\/|\/\*|\s)/.test(token);
const isName = (token: string) => /^[A-Za-z_]/.test(token);
/** Signs that mean something else when they touch. */
const ONE_WHEN_TOUCHING = /^(--|\+\+|&&|\|\||\/\/|\/\*|<<|>>|->|[-+*/%&|^<>=!]=)$/;

export function minifyWgsl(folder: string): Plugin {
  let short: ReadonlyMap<string, string> | undefined;
  return {
    name: "minify-wgsl",
    enforce: "pre",
    load(id) {
      const [file = "", query] = id.split("?");
      if (query !== "raw" || !file.endsWith(".wgsl")) return undefined;
      short ??= shortNames(
        readdirSync(folder)
          .filter((name) => name.endsWith(".wgsl"))
          .sort()
          .map((name) => readFileSync(join(folder, name), "utf8")),
      );
      return `export default ${JSON.stringify(minify(readFileSync(file, "utf8"), short))};`;
    },
  };
}

export function minify(code: string, short: ReadonlyMap<string, string>): string {
  let text = "";
  let before = "";
  let blank = false;
  for (const token of code.match(TOKEN) ?? []) {
    if (isBlank(token)) {
      blank = true;
      continue;
    }
    const touching = before.slice(-1) + token.charAt(0);
    const apart = blank && (/^\w\w$/.test(touching) || ONE_WHEN_TOUCHING.test(touching));
    text += `${apart ? " " : ""}${before === "." ? token : (short.get(token) ?? token)}`;
    before = token;
    blank = false;
  }
  return text;
}

/** New names for parameters and variables of functions, the most frequent first. */
export function shortNames(files: readonly string[]): Map<string, string> {
  const locals = new Map<string, number>();
  const taken = new Set<string>();
  for (const file of files) {
    const tokens = (file.match(TOKEN) ?? []).filter((token) => !isBlank(token));
    const own = localsOf(tokens);
    tokens.forEach((token, i) => {
      if (!isName(token)) return;
      if (tokens[i - 1] === ".") return;
      if (own.has(token) && tokens[i + 1] !== "(" && tokens[i - 1] !== "@") {
        locals.set(token, (locals.get(token) ?? 0) + 1);
      } else taken.add(token);
    });
  }
  const candidates = names(taken);
  return new Map(
    [...locals]
      .filter(([name]) => !taken.has(name))
      .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
      .map(([name]) => [name, candidates.next().value as string]),
  );
}

/** Names declared inside functions, or as their parameters; members of structs and names of the module are none. */
function localsOf(tokens: readonly string[]): Set<string> {
  const locals = new Set<string>();
  const others = new Set<string>();
  let depth = 0;
  let struct = false;
  let parameters = false;
  tokens.forEach((token, i) => {
    if (token === "{") depth++;
    else if (token === "}") {
      depth--;
      if (depth === 0) struct = false;
    } else if (token === "struct") struct = true;
    else if (token === "fn") parameters = true;
    if (token === "{" && parameters) parameters = false;
    if (!isName(token)) return;
    const declared = ["let", "var", "const"].includes(tokens[i - 1] ?? "");
    if (struct && tokens[i + 1] === ":") others.add(token);
    else if (depth > 0 ? declared : parameters && tokens[i + 1] === ":") locals.add(token);
    else if (depth === 0 && !parameters) others.add(token);
    // A builtin is named in brackets before the parameter.
    if (tokens[i - 1] === "(" && tokens[i - 2] === "builtin") others.add(token);
  });
  for (const name of others) locals.delete(name);
  return locals;
}

/** a, b … z, a0 … z9, a00 …, without those that stay. One letter and digits is no keyword of WGSL. */
function* names(taken: ReadonlySet<string>): Generator<string> {
  for (let digits = 0; ; digits++) {
    for (let n = 0; n < 10 ** digits; n++) {
      for (const letter of "abcdefghijklmnopqrstuvwxyz") {
        const name = digits === 0 ? letter : `${letter}${String(n).padStart(digits, "0")}`;
        if (!taken.has(name)) yield name;
      }
    }
  }
}
