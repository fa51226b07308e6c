/**
 * README and docs/ against the tree: links, commands and options exist, code blocks compile, the two commands are there, the
 * worked example of docs/architecture.md and the list of docs/kernels.md are what the code gives.
 */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test, vi } from "vitest";
import type { GraphSpec } from "../../src/graph/graph.ts";
import type { Node, Tensor } from "../../src/graph/tensor.ts";
import { runCommand } from "../../src/node/cli/program.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { codeBlocks, type Document, documents, entries, loadExample } from "../support/documents.ts";

const root = resolve(import.meta.dirname, "../..");
let all: Document[];
let page: (path: string) => Document;

beforeAll(async () => {
  all = await documents();
  page = (path) => all.find((document) => document.path === path) as Document;
});

/** What GitHub makes of a heading for links to it. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(" ", "-");
const withoutCode = (text: string) => text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");

test("links lead to files and headings that exist", () => {
  const broken = all.flatMap(({ path, text }) =>
    [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = ""]) => {
      if (/^https?:/.test(link)) return [];
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : join(dirname(path), file);
      if (!existsSync(join(root, target))) return [`${path}: ${link}`];
      if (anchor === undefined) return [];
      const headings = [...readFileSync(join(root, target), "utf8").matchAll(/^#+ (.*)$/gm)];
      return headings.some(([, heading = ""]) => anchorOf(heading) === anchor) ? [] : [`${path}: ${link}`];
    }),
  );
  expect(broken).toEqual([]);
});

test("files and folders that are named exist", () => {
  const written = all.filter(({ path }) => path !== "docs/kernels.md");
  const made = /^(demo\/dist|bench\/\.cache|runs)\//;
  const named = written.flatMap(({ path, text }) =>
    [...text.matchAll(/`([\w.-]+(?:\/[\w.-]+)*(?:\/|\/[\w.-]+\.(?:ts|mjs|wgsl|md|json|jsonl)))`/g)].flatMap(
      ([, name = ""]) => (made.test(name) || /\b(KIND|FILE|FORMAT)\b/.test(name) ? [] : [{ path, name }]),
    ),
  );
  const missing = named.filter(({ path, name }) =>
    [root, join(root, "src"), join(root, dirname(path))].every((folder) => !existsSync(join(folder, name))),
  );
  expect(missing).toEqual([]);
  expect(named.length).toBeGreaterThan(50);
});

describe("commands", () => {
  test("one runs the main job, one runs all tests", () => {
    const commands = codeBlocks(page("README.md"), "sh").join("\n");
    expect(commands).toMatch(/^npm ci && npm run train\b/m);
    expect(commands).toMatch(/^npm ci && npm test\b/m);
  });

  test("scripts of npm exist", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const named = all.flatMap(({ text }) =>
      [...text.matchAll(/npm run (?:-\S+ )*([\w:-]+)/g)].map(([, name]) => name),
    );
    expect(named.filter((name) => !((name as string) in scripts))).toEqual([]);
  });

  test("weft knows the options", async () => {
    const help = new Map<string, string>();
    const helpOf = async (command: string) => {
      let told = "";
      const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
        told += text;
        return true;
      });
      await runCommand([command, "--help"]).catch(() => undefined);
      write.mockRestore();
      return told;
    };
    const unknown: string[] = [];
    // A command and the lines under it that go on with its options.
    const uses = all.flatMap(({ text }) => [
      ...text.matchAll(
        /\bweft (train|recipes|eval|predict|summary|info|doctor|compile|tune)\b([^\n`#;]*(?:\n {8,}-[^\n`]*)*)/g,
      ),
    ]);
    for (const [use, command = "", words = ""] of uses) {
      if (!help.has(command)) help.set(command, await helpOf(command));
      for (const [option] of words.matchAll(/--[a-z][\w-]*/g)) {
        if (option !== "--help" && !help.get(command)?.includes(option)) unknown.push(`${option} of ${use}`);
      }
    }
    expect(unknown).toEqual([]);
    expect(uses.length).toBeGreaterThan(20);
  });
});

test("code blocks compile", async () => {
  const folder = join(root, ".cache/docs-types");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  // Blocks of CONTRIBUTING are pieces of files.
  const pages = all.filter(({ path }) => path !== "CONTRIBUTING.md");
  const blocks = pages.flatMap((document) =>
    codeBlocks(document, "ts").map((code) => ({ ...document, code })),
  );
  // The page's example has its data from elsewhere.
  const data = 'declare const train: import("weft").data.Dataset, test: import("weft").data.Dataset;\n';
  for (const [i, { path, code }] of blocks.entries()) {
    const name = `${path.replace(/\W/g, "-")}-${i}.ts`;
    await writeFile(join(folder, name), code.includes("openProgram(") ? data + code : code);
  }
  const paths = Object.fromEntries(
    Object.entries(entries).map(([entry, file]) => [entry, [join(root, file)]]),
  );
  const compilerOptions = { paths, noUnusedLocals: false, rootDir: root };
  const config = { extends: join(root, "tsconfig.json"), compilerOptions, include: ["*.ts"] };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(root, "node_modules/.bin/tsc");
  const { stdout } = await promisify(execFile)(tsc, ["-p", folder]).catch(
    (error) => error as { stdout: string },
  );
  expect(stdout).toBe("");
  expect(blocks.length).toBeGreaterThanOrEqual(9);
});

describe("docs/architecture.md", () => {
  test("names every layer", () => {
    const list = /const LAYERS = \[([\s\S]*?)\]/.exec(
      readFileSync(join(import.meta.dirname, "house.test.ts"), "utf8"),
    );
    const layers = [...(list?.[1] ?? "").matchAll(/"([^"]+)"/g)].map(([, name]) => name);
    const table = /^\| layer \|[\s\S]*?\n\n/m.exec(page("docs/architecture.md").text)?.[0] ?? "";
    const named = [...table.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell = ""]) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
    );
    expect(layers.length).toBeGreaterThan(20);
    expect(named).toEqual(layers);
  });

  test("prints what the worked example prints", async () => {
    const document = page("docs/architecture.md");
    const code = `${codeBlocks(document, "ts")[0]}\nexport { loss, updates };`.replace(
      "console.log(program.describe().steps)",
      "export const { steps } = program.describe()",
    );
    const example = (await loadExample("worked-step", code)) as {
      loss: Tensor;
      updates: Node[];
      steps: string[];
    };
    const { loss, updates, steps } = example;
    const unfused = async (spec: GraphSpec) => (await new CpuBackend().compile(spec)).describe().steps;
    const printed = codeBlocks(document, "text").map((block) => block.trim().split("\n"));
    expect(printed).toContainEqual(await unfused({ outputs: [loss] }));
    expect(printed).toContainEqual(steps);
    const { length } = await unfused({ outputs: [loss], updates });
    const text = document.text.replace(/\s+/g, " ");
    expect(text).toContain(`${length} nodes of the graph compute something`);
    expect(text).toContain(`each of the ${steps.length} dispatches`);
  });
});

test("docs/kernels.md lists every entry point (npm run kernels:docs)", () => {
  const files = readdirSync(join(root, "shaders"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".wgsl"))
    .sort();
  const found = files.map((file) => {
    const code = readFileSync(join(root, "shaders", file), "utf8").replace(/\/\/.*$/gm, "");
    return `${file}: ${[...code.matchAll(/@compute[^{]*?\bfn\s+(\w+)/g)].map(([, name]) => name).join(", ")}`;
  });
  const sections = page("docs/kernels.md").text.split(/^### /m).slice(1);
  const listed = sections.map((section) => {
    const [file = ""] = section.split("\n", 1);
    const [own = ""] = section.split(/^## /m);
    return `${file}: ${[...own.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name).join(", ")}`;
  });
  expect(listed).toEqual(found);
});
