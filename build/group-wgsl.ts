/**
 * A Vite plugin that makes one module of WGSL files that are fetched together: one request for many, and what they have in
 * common is compressed once. An op goes on importing its own files; what it gets is `{ default: text }` all the same.
 */
import { join } from "node:path";
import type { Plugin } from "vite";

const PREFIX = "virtual:shaders/";
const IMPORT = /import\("[./]*\/shaders\/([\w-]+)\.wgsl\?raw"\)/g;
const nameOf = (stem: string) => stem.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** `groups`: stems of files in `folder` by the name of their module; a file in none stays by itself. */
export function groupWgsl(folder: string, groups: Readonly<Record<string, readonly string[]>>): Plugin {
  const groupOf = new Map(
    Object.entries(groups).flatMap(([group, stems]) => stems.map((stem) => [stem, group])),
  );
  return {
    name: "group-wgsl",
    enforce: "pre",
    transform(code, id) {
      if (!id.endsWith(".ts")) return undefined;
      const grouped = code.replace(IMPORT, (alone, stem: string) => {
        const group = groupOf.get(stem);
        return group === undefined ? alone : `import("${PREFIX}${group}").then((all) => all.${nameOf(stem)})`;
      });
      return grouped === code ? undefined : { code: grouped, map: null };
    },
    resolveId: (source) => (source.startsWith(PREFIX) ? source : undefined),
    load(id) {
      if (!id.startsWith(PREFIX)) return undefined;
      const stems = groups[id.slice(PREFIX.length)] ?? [];
      return stems
        .map((stem) => {
          const [name, file] = [nameOf(stem), JSON.stringify(join(folder, `${stem}.wgsl?raw`))];
          return `import ${name}Text from ${file};\nexport const ${name} = { default: ${name}Text };\n`;
        })
        .join("");
    },
  };
}
