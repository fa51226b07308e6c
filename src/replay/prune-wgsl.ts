/**
 * Leaves out of a WGSL module what given entry points don't reach: a recording holds the kernels that it runs and
 * nothing else. Works on declarations as text; names are looked for as words, so at worst too much is kept.
 */

/** A declaration of the module: its text and the name that it declares, if it does. */
interface Declaration {
  readonly text: string;
  readonly name: string | undefined;
  readonly entry: boolean;
}

/** `code` with the declarations that `entries` need, in their order, without comments. Throws nothing. */
export function pruneWgsl(code: string, entries: ReadonlySet<string>): string {
  const declarations = split(code.replace(/\/\/[^\n]*/g, "").replace(/\/\*[\s\S]*?\*\//g, ""));
  const byName = new Map(declarations.map((d) => [d.name, d]));
  const kept = new Set<Declaration>();
  const keep = (declaration: Declaration) => {
    if (kept.has(declaration)) return;
    kept.add(declaration);
    for (const [word] of declaration.text.matchAll(/[A-Za-z_]\w*/g)) {
      const used = byName.get(word);
      if (used !== undefined && !used.entry) keep(used);
    }
  };
  for (const d of declarations) if (d.name === undefined || (d.entry && entries.has(d.name))) keep(d);
  return declarations
    .filter((d) => kept.has(d))
    .map((d) => d.text)
    .join("\n");
}

/** Declarations end with a semicolon or a closing brace outside of everything; a struct may have both. */
function split(code: string): Declaration[] {
  const declarations: Declaration[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < code.length; i++) {
    const sign = code.charAt(i);
    if (sign === "{" || sign === "(") depth++;
    else if (sign === "}" || sign === ")") depth--;
    if (depth > 0 || (sign !== ";" && sign !== "}")) continue;
    const text = code.slice(start, i + 1).trim();
    start = i + 1;
    if (text === ";") continue;
    const [, name] =
      /(?:^|[\s)>])(?:fn|struct|alias|const|override|var(?:<[^>]*>)?)\s+(\w+)/.exec(text) ?? [];
    declarations.push({ text, name, entry: /^(@\w+(\([^)]*\))?\s*)*@compute\b/.test(text) });
  }
  return declarations;
}
