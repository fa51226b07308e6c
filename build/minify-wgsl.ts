/**
 * A Vite plugin that shortens WGSL in a build: comments and blanks go; variables, functions, structs and their members
 * get short names, the same ones in every file, since a module may be made of several. What the host knows by name
 * stays: overrides, buffers, struct Sizes, entry points, and the functions of `*-functions.wgsl`, which generated kernels
 * may call.
 * `weft doctor` of the built command line checks every kernel that comes out of it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

export interface WgslFile {
  readonly name: string;
  readonly code: string;
}

/** New names by old ones. */
export interface ShortNames {
  /** Of parameters and variables of functions. */
  readonly local: ReadonlyMap<string, string>;
  /** Of functions, structs, constants and variables of a module. */
  readonly shared: ReadonlyMap<string, string>;
  /** Of members of structs. */
  readonly members: ReadonlyMap<string, string>;
}

/** Comments and blanks; names; numbers with their suffix; single signs. */
const TOKEN = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|\s+|[A-Za-z_]\w*|0[xX]\w+|\d+\.?\d*(?:[eE][-+]?\d+)?[iufh]?|\S/g;
const isBlank = (token: string) => /^(\/\/|\/\*|\s)/.test(token);
const isName = (token: string) => /^[A-Za-z_]/.test(token);
/** Signs that mean something else when they touch. */
const ONE_WHEN_TOUCHING = /^(--|\+\+|&&|\|\||\/\/|\/\*|<<|>>|->|[-+*/%&|^<>=!]=)$/;
/** Members of vectors and of what builtin functions return. */
const BUILTIN_MEMBER = /^([xyzw]{1,4}|[rgba]{1,4}|fract|whole|exp|old_value|exchanged)$/;

export function minifyWgsl(folder: string): Plugin {
  let short: ShortNames | undefined;
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
          .map((name) => ({ name, code: readFileSync(join(folder, name), "utf8") })),
      );
      return `export default ${JSON.stringify(minify(readFileSync(file, "utf8"), short))};`;
    },
  };
}

export function minify(code: string, { local, shared, members }: ShortNames): string {
  let text = "";
  let before = "";
  let blank = false;
  for (const declaration of declarationsOf(code, shared)) {
    for (const token of declaration.tokens) {
      if (isBlank(token)) {
        blank = true;
        continue;
      }
      const touching = before.slice(-1) + token.charAt(0);
      const apart = blank && (/^\w\w$/.test(touching) || ONE_WHEN_TOUCHING.test(touching));
      const member = before === "." || declaration.members.has(token);
      const names = member ? members : declaration.local.has(token) ? local : shared;
      text += `${apart ? " " : ""}${names.get(token) ?? token}`;
      before = token;
      blank = false;
    }
  }
  // vec4<f32> is vec4f.
  return text.replace(/\b(vec[234]|mat[234]x[234])<([fiu])32>/g, "$1$2");
}

/**
 * New names, the most frequent first. Variables that no function has both of may get the same one; what a module
 * shares gets one of its own, since any other file may be put beside it.
 */
export function shortNames(files: readonly WgslFile[]): ShortNames {
  const count = new Map<string, number>();
  const [known, ours, members] = [new Set<string>(), new Set<string>(), new Set<string>()];
  const knownMembers = new Set<string>();
  for (const { name, code } of files) {
    for (const token of code.match(TOKEN) ?? []) count.set(token, (count.get(token) ?? 0) + 1);
    for (const declaration of declarationsOf(code)) {
      const called = declaration.kind === "fn" && name.endsWith("-functions.wgsl");
      if (declaration.name !== undefined) (called || declaration.host ? known : ours).add(declaration.name);
      for (const member of declaration.members) (declaration.host ? knownMembers : members).add(member);
    }
  }
  for (const name of known) ours.delete(name);
  const parts = files.flatMap(({ code }) => declarationsOf(code, ours));
  /** Names that are not local, by function. */
  const outer = parts.map(({ used, local }) => new Set([...used].filter((name) => !local.has(name))));
  const foreign = new Set(outer.flatMap((names) => [...names]));
  const often = (names: Iterable<string>) =>
    [...names].sort((a, b) => (count.get(b) ?? 0) - (count.get(a) ?? 0) || (a < b ? -1 : 1));
  const unique = (names: Iterable<string>, free: (candidate: string) => boolean) => {
    const next = candidates(free);
    return new Map(often(names).map((name) => [name, next.next().value as string]));
  };
  const shared = unique(ours, (candidate) => candidate.length > 1 && !foreign.has(candidate));
  const local = new Map<string, string>();
  const taken = outer.map((names) => new Set([...names].map((name) => shared.get(name) ?? name)));
  for (const name of often(new Set(parts.flatMap((part) => [...part.local])))) {
    const users = taken.filter((_, i) => parts[i]?.local.has(name));
    const short = candidates((candidate) => !users.some((names) => names.has(candidate))).next()
      .value as string;
    for (const names of users) names.add(short);
    local.set(name, short);
  }
  const free = (name: string) => !BUILTIN_MEMBER.test(name) && !knownMembers.has(name);
  return { local, shared, members: unique([...members].filter(free), free) };
}

/** What stands for itself in a module: a function, a struct, a variable. */
interface Declaration {
  readonly tokens: readonly string[];
  readonly kind: string | undefined;
  readonly name: string | undefined;
  /** Of a struct. */
  readonly members: ReadonlySet<string>;
  /** The host knows the name. */
  readonly host: boolean;
  /** Parameters and variables of a function, but those that have the name of something in the file or shared. */
  readonly local: ReadonlySet<string>;
  /** All names in it, but those of members. */
  readonly used: ReadonlySet<string>;
}

const KINDS = /^(fn|struct|override|const|alias|var)$/;

/** `shared`: names that other files declare. */
function declarationsOf(
  code: string,
  shared: { has(name: string): boolean } = new Set<string>(),
): Declaration[] {
  const pieces: string[][] = [[]];
  let depth = 0;
  for (const token of code.match(TOKEN) ?? []) {
    pieces.at(-1)?.push(token);
    if (token === "{") depth++;
    if (token === "}") depth--;
    if (depth === 0 && (token === "}" || token === ";")) pieces.push([]);
  }
  const read = pieces.map(readDeclaration);
  const own = new Set(read.map(({ name }) => name));
  return read.map((d) => ({
    ...d,
    local: new Set([...d.local].filter((name) => !own.has(name) && !shared.has(name))),
  }));
}

function readDeclaration(tokens: readonly string[]): Declaration {
  const words = tokens.filter((token) => !isBlank(token));
  const at = words.findIndex((token) => KINDS.test(token));
  const kind = words[at];
  const body = words.indexOf("{");
  const named = kind === "var" ? words.indexOf(":", at) - 1 : at + 1;
  const host =
    kind === "override" ||
    words.includes("compute") ||
    words.includes("storage") ||
    words.includes("uniform") ||
    words[at + 1] === "Sizes";
  const [members, local, used] = [new Set<string>(), new Set<string>(), new Set<string>()];
  words.forEach((token, i) => {
    const [before = "", after = ""] = [words[i - 1], words[i + 1]];
    if (!isName(token) || before === ".") return;
    if (kind === "struct" && after === ":") {
      members.add(token);
      return;
    }
    used.add(token);
    if (kind === "fn" && i > named && (i < body ? after === ":" : /^(let|var|const)$/.test(before)))
      local.add(token);
  });
  return { tokens, kind, name: kind === undefined ? undefined : words[named], members, host, local, used };
}

/** Those of a … z, A … Z, a0 … Z9, a00 … that are `free`; one letter and digits is no keyword of WGSL. */
function* candidates(free: (candidate: string) => boolean): Generator<string> {
  const letters = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
  for (let digits = 0; ; digits++) {
    for (let n = 0; n < 10 ** digits; n++) {
      const number = digits === 0 ? "" : String(n).padStart(digits, "0");
      for (const candidate of letters.map((letter) => letter + number)) if (free(candidate)) yield candidate;
    }
  }
}
