/** The README's examples, to be run as they are printed: code blocks by language, and as modules of this checkout. Node only. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** Where examples are written as modules. */
export const exampleFolder = fileURLToPath(new URL("../../.cache/readme-test/", import.meta.url));

/** The blocks of this language, in order. */
export async function readmeBlocks(language: "ts" | "sh"): Promise<string[]> {
  const text = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  return [...text.matchAll(/```(\w+)\n([\s\S]*?)```/g)].flatMap(([, name, block]) =>
    name === language ? [block as string] : [],
  );
}

/** Imports a code block as a module, with the package being this checkout. */
export async function loadExample(name: string, code: string): Promise<Record<string, unknown>> {
  const here = code
    .replaceAll('from "weft/node"', 'from "../../src/node/index.ts"')
    .replaceAll('from "weft/replay"', 'from "../../src/replay/index.ts"')
    .replaceAll('from "weft"', 'from "../../src/index.ts"');
  await mkdir(exampleFolder, { recursive: true });
  await writeFile(`${exampleFolder}${name}.ts`, here);
  return (await import(/* @vite-ignore */ `${exampleFolder}${name}.ts`)) as Record<string, unknown>;
}
