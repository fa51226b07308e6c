/** README and the pages of docs/: their text, and their code blocks to be run as they are printed. Node only. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Where examples are written as modules. */
export const exampleFolder = `${root}.cache/readme-test/`;

/** Entries of the package and the files of this checkout that stand for them. */
export const entries = {
  weft: "src/index.ts",
  "weft/node": "src/node/index.ts",
  "weft/browser": "src/browser/index.ts",
  "weft/replay": "src/replay/index.ts",
};

export interface Document {
  /** From the root of the repository: `docs/data.md`. */
  readonly path: string;
  readonly text: string;
}

/** README, CONTRIBUTING, CHANGELOG, then the pages of docs/ in alphabetical order. */
export async function documents(): Promise<Document[]> {
  const pages = (await readdir(`${root}docs`)).filter((name) => name.endsWith(".md")).sort();
  const paths = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ...pages.map((name) => `docs/${name}`)];
  return Promise.all(paths.map(async (path) => ({ path, text: await readFile(root + path, "utf8") })));
}

/** Code blocks of `document` in this language, in order. */
export function codeBlocks({ text }: Document, language: string): string[] {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].flatMap(([, name, block]) =>
    name === language ? [block as string] : [],
  );
}

/** The first code block in this language that contains `part`. Throws where there is none. */
export async function documentedBlock(language: string, part: string): Promise<string> {
  const block = (await documents())
    .flatMap((document) => codeBlocks(document, language))
    .find((code) => code.includes(part));
  if (block === undefined) throw new Error(`no document has a block of ${language} with ${part}`);
  return block;
}

/** Imports a code block as a module, with the package being this checkout. */
export async function loadExample(name: string, code: string): Promise<Record<string, unknown>> {
  const here = code.replace(/from "(weft(?:\/\w+)?)"/g, (whole, entry: string) =>
    entry in entries ? `from "../../${entries[entry as keyof typeof entries]}"` : whole,
  );
  await mkdir(exampleFolder, { recursive: true });
  await writeFile(`${exampleFolder}${name}.ts`, here);
  return (await import(/* @vite-ignore */ `${exampleFolder}${name}.ts`)) as Record<string, unknown>;
}
