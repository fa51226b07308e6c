/**
 * The plan of the house as a test: which room may import which, one stem per op, what only some rooms may touch, and a
 * header on every file. A new room or a new arrow is one entry in a table here. Prints the size of the house.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const LONGEST_FILE = 400;

/**
 * The layers: each imports from itself and from those above it. A layer is a folder of src, a folder of src/runtime, or a
 * file directly in src. docs/architecture.md says why they stand in this order.
 */
const LAYERS = [
  "version",
  "validation",
  "numbers",
  "graph",
  "geometry",
  "kernels",
  "ops",
  "autograd",
  "fusion",
  "plan",
  "runtime",
  "tune",
  "runtime/cpu",
  "runtime/gpu",
  "nn",
  "optim",
  "tokenizers",
  "data",
  "io",
  "transforms",
  "train",
  "replay",
  "report",
  "recipes",
  "all-ops",
  "doctor",
  "checks",
  "index",
  "browser",
  "node",
];

/** What a layer must not import though it stands below. */
const MUST_NOT: Record<string, readonly string[]> = {
  "runtime/gpu": ["runtime/cpu"],
  ...Object.fromEntries(
    ["nn", "optim", "tokenizers", "data", "io", "transforms"].map((layer) => [
      layer,
      ["plan", "runtime", "tune", "runtime/cpu", "runtime/gpu"],
    ]),
  ),
  train: ["tune", "runtime/cpu", "runtime/gpu"],
  recipes: ["runtime/cpu", "runtime/gpu"],
  report: ["graph", "ops", "train"],
  browser: ["node"],
  node: ["browser"],
};

/** Packages from outside, and who may import them. Everybody else imports nothing but Weft. */
const PACKAGES: Record<string, RegExp> = { node: /^(node:.+|webgpu|commander|cli-progress|jpeg-js|pngjs)$/ };

/** Names that belong to one room; others get what they need handed in. */
const GLOBALS = [
  { name: "navigator", pattern: /\bnavigator\b/, room: "browser" },
  { name: "process", pattern: /(?<![.\w])process\.\w/, room: "node" },
  { name: "Buffer", pattern: /(?<![.\w])Buffer\b/, room: "node" },
  { name: "document or window", pattern: /(?<![.\w])(document|window)\.\w/, room: "browser" },
];

/** Files of ops that tests of another name check: pointwise.ts, by the tests of every element-wise op. */
const NO_TEST_OF_ITS_NAME = ["src/ops/elementwise/pointwise.ts"];

/** Who imports shaders from a folder that is not its own, and why. */
const OTHER_SHADERS: Record<string, string> = {
  "src/kernels/conv/conv2d.ts": "gemm: a convolution is a matrix product over views of its operands",
};

/** WGSL functions shared by several ops; no kernels in there. */
const isLibrary = (shader: string) => shader.endsWith("-functions");

const filesBelow = (folder: string, suffix: string): string[] =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(suffix))
        .map((name) => `${folder}/${name}`)
        .sort()
    : [];

const textOf = (file: string) => readFileSync(join(root, file), "utf8");
const withoutComments = (text: string) => text.replace(/\/\*.*?\*\//gs, "").replace(/(^|\s)\/\/.*$/gm, "$1");
const withoutStrings = (text: string) => text.replace(/"(?:[^"\\\n]|\\.)*"/g, '""');
const roomOf = (file: string) => {
  const [, first = "", second = ""] = file.split("/");
  return (first === "runtime" && !second.endsWith(".ts") ? `runtime/${second}` : first).replace(/\.ts$/, "");
};
const stem = (file: string) => (file.split("/").pop() ?? "").replace(/(\.test)?\.(ts|wgsl)$/, "");

interface Import {
  readonly from: string;
  /** As written for packages; from the repository's root for files. */
  readonly to: string;
  readonly isPackage: boolean;
}

function importsOf(file: string): Import[] {
  const code = withoutComments(textOf(file));
  const statements =
    /^\s*(?:import|export)\b[^=(;"'`]*?\bfrom\s*"([^"]+)"|^\s*import\s*"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;
  return [...code.matchAll(statements)].map((match) => {
    const to = match[1] ?? match[2] ?? match[3] ?? "";
    const isPackage = !to.startsWith(".");
    if (isPackage) return { from: file, to, isPackage };
    return { from: file, to: join(file, "..", to).replace(/\?raw$/, ""), isPackage };
  });
}

const sources = filesBelow("src", ".ts");
const shaders = filesBelow("shaders", ".wgsl");
const pages = filesBelow("demo", ".ts").filter((file) => !file.startsWith("demo/dist/"));
const imports = sources.flatMap(importsOf);

describe("layers", () => {
  const files = imports.filter(({ isPackage, to }) => !isPackage && to.startsWith("src/"));

  test("every folder and file of src is in one", () => {
    const unknown = [...new Set(sources.map(roomOf))].filter((room) => !LAYERS.includes(room));
    expect(unknown).toEqual([]);
  });

  test("import only from themselves and from those above", () => {
    const wrong = files.filter(({ from, to }) => {
      const [own, other] = [roomOf(from), roomOf(to)];
      return LAYERS.indexOf(other) > LAYERS.indexOf(own) || MUST_NOT[own]?.includes(other);
    });
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  test("packages are imported by those that may", () => {
    const wrong = imports.filter(({ from, to, isPackage }) => isPackage && !PACKAGES[roomOf(from)]?.test(to));
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  test("no file imports itself by way of others", () => {
    const next = new Map(
      sources.map((file) => [file, files.filter((i) => i.from === file).map((i) => i.to)]),
    );
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
      if (done.has(file) || path.includes(file)) return;
      for (const to of next.get(file) ?? []) visit(to, [...path, file]);
      done.add(file);
    };
    for (const file of sources) visit(file, []);
    expect(cycles).toEqual([]);
  });

  test.each(GLOBALS)("only src/$room touches $name", ({ pattern, room }) => {
    const touches = (file: string) => pattern.test(withoutStrings(withoutComments(textOf(file))));
    expect(sources.filter((file) => roomOf(file) !== room && touches(file))).toEqual([]);
  });
});

test("text leaves the process in two places only, which let no controls through", () => {
  const writes = /\bprocess\.std(out|err)\.write\b|\bconsole\.\w/;
  const places = ["src/node/cli/output/terminal.ts", "src/validation/printable.ts"];
  const others = sources.filter((file) => writes.test(withoutStrings(withoutComments(textOf(file)))));
  expect(others).toEqual(places);
});

describe("ops and kernels", () => {
  const users = imports.filter(({ to }) => to.endsWith(".wgsl"));

  test.each(shaders)("%s is in use, and a file of functions holds no kernel", (shader) => {
    expect(users.filter(({ to }) => to === shader)).not.toEqual([]);
    const hasKernel = withoutComments(textOf(shader)).includes("@compute");
    if (isLibrary(stem(shader))) expect(hasKernel).toBe(false);
  });

  test("only src/kernels imports shaders, each file from the folder of its own name", () => {
    const wrong = users.filter(({ from, to }) => {
      const [, room, folder] = from.split("/");
      const own = room === "kernels" && to.startsWith(`shaders/${folder}/`);
      return !own && OTHER_SHADERS[from] === undefined;
    });
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  test("fragments of WGSL, and no other files, are named and described as such", () => {
    const says = shaders.filter((file) => /^\/\/ FRAGMENT\b/.test(textOf(file)));
    expect(says).toEqual(shaders.filter((file) => stem(file).endsWith("-fragment")));
  });

  test("every file that defines an op has a test of its name", () => {
    const files = sources.filter((file) => /\bdefineOp\(/.test(withoutComments(textOf(file))));
    const opFiles = files.filter((file) => !["src/graph/op.ts", ...NO_TEST_OF_ITS_NAME].includes(file));
    const without = opFiles.filter((file) => !existsSync(join(root, `test/ops/${stem(file)}.test.ts`)));
    expect(without).toEqual([]);
  });

  test("every test in test/ops is of a file in src", () => {
    const stems = new Set(sources.map(stem));
    const tests = filesBelow("test/ops", ".test.ts").map(stem);
    expect(tests.filter((name) => !stems.has(name))).toEqual([]);
  });

  test("ops/index.ts has one line per file, in order", () => {
    const files = textOf("src/ops/index.ts")
      .split("\n")
      .flatMap((line) => /^export .* from "(.*)\.ts"/.exec(line)?.[1] ?? []);
    expect(files).toEqual([...new Set(files)].sort());
  });
});

describe("files", () => {
  test("each begins with what it is for", () => {
    const begins = (file: string) => /^(#!.*\n)?\/[/*]/.test(textOf(file));
    const others = [...filesBelow("test", ".ts"), ...pages];
    expect([...sources, ...shaders, ...others].filter((file) => !begins(file))).toEqual([]);
  });

  test("files that are named in comments exist", () => {
    const known = new Set(shaders.map((file) => file.split("/").pop()));
    const missing = [...sources, ...shaders].flatMap((file) => {
      const text = textOf(file);
      const paths = [...text.matchAll(/\b(?:src|shaders|test|docs)\/[\w./-]+\.(?:ts|wgsl|md)\b/g)];
      const names = [...text.matchAll(/(?<![\w/-])[\w-]+\.wgsl(?=[ ,.;:)]|$)/gm)];
      const strange = [
        ...paths.filter(([path]) => !existsSync(join(root, path))),
        ...names.filter(([name]) => !known.has(name)),
      ];
      return strange.map(([name]) => `${file}: ${name}`);
    });
    expect(missing).toEqual([]);
  });

  test(`none is longer than ${LONGEST_FILE} lines`, () => {
    const long = [...sources, ...shaders, ...pages].map((file) => `${file}: ${lines(file)}`);
    expect(long.filter((entry) => Number(entry.split(": ")[1]) > LONGEST_FILE)).toEqual([]);
  });

  test("the size of the house", () => {
    const total = (files: string[]) => files.reduce((sum, file) => sum + lines(file), 0);
    const rooms = [...new Set(sources.map(roomOf))];
    const perRoom = rooms.map((room) => `${room} ${total(sources.filter((file) => roomOf(file) === room))}`);
    console.info(`Lines: src ${total(sources)}, shaders ${total(shaders)} (${perRoom.join(", ")})`);
    expect(total(sources)).toBeGreaterThan(0);
  });
});

function lines(file: string): number {
  return textOf(file).split("\n").length - 1;
}

test("an optimizer that the library lacks takes a file of at most 40 lines, without WGSL", () => {
  // test/optim/define-optimizer.test.ts trains with it.
  const file = "test/support/forty-line-optimizer.ts";
  expect(textOf(file).trimEnd().split("\n").length).toBeLessThanOrEqual(40);
  expect(importsOf(file).map(({ to }) => to)).toEqual(["src/index.ts"]);
  expect(textOf(file)).not.toMatch(/wgsl|definePointwise|Shader/i);
});
