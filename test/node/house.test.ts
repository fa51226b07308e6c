/**
 * The plan of the house as a test: which room may import which, one stem per op, what only some rooms may touch, and a
 * header on every file. A new room or a new arrow is one entry in a table here. Prints the size of the house.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const LONGEST_FILE = 400;

/** Rooms that know nothing of graphs, and those that know everything. */
const GROUND = [
  "errors",
  "json-fields",
  "math-exact",
  "options",
  "permutation",
  "printable",
  "random",
  "shader",
  "version",
];
const GRAPH = [...GROUND, "tensor", "values", "op"];
const HOUSE = [
  ...GRAPH,
  "ops",
  "autograd",
  "plan",
  "backend",
  "nn",
  "optim",
  "transforms",
  "train",
  "data",
  "io",
  "report",
  "recipes",
];

/** A room is a folder of src or a file directly in it. Each may import from itself and from these. */
const ARROWS: Record<string, readonly string[]> = {
  ...Object.fromEntries(GROUND.map((room) => [room, GROUND])),
  tensor: GRAPH,
  values: GRAPH,
  op: GRAPH,
  plan: GRAPH,
  ops: [...GRAPH, "plan", "shaders"],
  autograd: [...GRAPH, "ops"],
  backend: [...GRAPH, "plan"],
  cpu: [...GRAPH, "backend", "ops", "plan"],
  tune: [...GRAPH, "backend", "plan"],
  gpu: [...GRAPH, "backend", "ops", "plan", "tune"],
  nn: [...GRAPH, "ops"],
  optim: [...GRAPH, "ops", "plan"],
  transforms: [...GRAPH, "nn", "ops"],
  data: GROUND,
  io: GROUND,
  train: [...GRAPH, "autograd", "backend", "data", "io", "nn", "ops", "optim", "plan", "transforms"],
  report: GROUND,
  recipes: [...GRAPH, "autograd", "backend", "data", "nn", "ops", "optim", "report", "train", "transforms"],
  replay: [...GRAPH, "backend", "data", "gpu", "ops", "plan", "train"],
  "check-gradients": [...GRAPH, "autograd", "cpu", "ops"],
  compare: [...GRAPH, "backend", "cpu", "plan"],
  doctor: [...HOUSE, "cpu"],
  "open-device": [...GROUND, "backend"],
  index: [...HOUSE, "check-gradients", "compare", "cpu", "gpu", "doctor", "replay"],
  browser: [...HOUSE, "cpu", "gpu", "doctor", "index", "open-device"],
  node: [...HOUSE, "cpu", "gpu", "doctor", "index", "open-device", "replay"],
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

/** Second algorithms of an op under a name of their own. A file `matmul-*.wgsl` is matmul's without being listed. */
const SHADER_PARTS: Record<string, string> = { im2col: "conv2d" };

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
const roomOf = (file: string) => (file.split("/")[1] ?? "").replace(/\.ts$/, "");
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

describe("arrows", () => {
  test("every room is on the plan", () => {
    const unknown = [...new Set(sources.map(roomOf))].filter((room) => !(room in ARROWS));
    expect(unknown).toEqual([]);
  });

  test("rooms import only what the plan lets them", () => {
    const wrong = imports.filter(({ from, to, isPackage }) => {
      if (isPackage) return !PACKAGES[roomOf(from)]?.test(to);
      const target = to.startsWith("src/") ? roomOf(to) : to.split("/")[0];
      return target !== roomOf(from) && !ARROWS[roomOf(from)]?.includes(target ?? "");
    });
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  test("the two backends don't know each other", () => {
    expect(ARROWS.cpu).not.toContain("gpu");
    expect(ARROWS.gpu).not.toContain("cpu");
  });

  test.each(GLOBALS)("only src/$room touches $name", ({ pattern, room }) => {
    const touches = (file: string) => pattern.test(withoutStrings(withoutComments(textOf(file))));
    expect(sources.filter((file) => roomOf(file) !== room && touches(file))).toEqual([]);
  });
});

test("text leaves the process in two places only, which let no controls through", () => {
  const writes = /\bprocess\.std(out|err)\.write\b|\bconsole\.\w/;
  const places = ["src/node/cli/terminal.ts", "src/printable.ts"];
  const others = sources.filter((file) => writes.test(withoutStrings(withoutComments(textOf(file)))));
  expect(others).toEqual(places);
});

describe("one stem per op", () => {
  /** src/ops/conv2d-kernels.ts may hold the kernels of conv2d. */
  const opStem = (file: string) => stem(file).replace(/-kernels$/, "");
  const users = imports
    .filter(({ from, to }) => from.startsWith("src/ops/") && to.endsWith(".wgsl"))
    .map(({ from, to }) => ({ op: opStem(from), shader: stem(to) }));
  const kernels = users.filter(({ shader }) => !isLibrary(shader));
  const names = shaders.map(stem);

  test.each(names.filter((name) => !isLibrary(name)))("shaders/%s.wgsl is a kernel of its op", (name) => {
    const ops = kernels.filter(({ shader }) => shader === name).map(({ op }) => op);
    const owners = ops.filter((op) => op === (SHADER_PARTS[name] ?? name) || name.startsWith(`${op}-`));
    expect(owners, `ops that import ${name}.wgsl: ${ops.join(", ") || "none"}`).toHaveLength(1);
    expect(existsSync(join(root, `src/ops/${owners[0]}.ts`)), `src/ops/${owners[0]}.ts`).toBe(true);
  });

  test.each(names.filter(isLibrary))("shaders/%s.wgsl is in use and holds no kernel", (name) => {
    expect(users.map(({ shader }) => shader)).toContain(name);
    expect(withoutComments(textOf(`shaders/${name}.wgsl`))).not.toContain("@compute");
  });

  test.each([...new Set(kernels.map(({ op }) => op))])("op %s has its shader and its test", (op) => {
    expect(kernels).toContainEqual({ op, shader: op });
    expect(existsSync(join(root, `test/ops/${op}.test.ts`)), `test/ops/${op}.test.ts`).toBe(true);
  });

  test("every test in test/ops is of a file in src/ops", () => {
    const tests = filesBelow("test/ops", ".test.ts").map(stem);
    expect(tests.filter((name) => !existsSync(join(root, `src/ops/${name}.ts`)))).toEqual([]);
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

  test(`none is longer than ${LONGEST_FILE} lines`, () => {
    const long = [...sources, ...shaders, ...pages].map((file) => `${file}: ${lines(file)}`);
    expect(long.filter((entry) => Number(entry.split(": ")[1]) > LONGEST_FILE)).toEqual([]);
  });

  test("the size of the house", () => {
    const total = (files: string[]) => files.reduce((sum, file) => sum + lines(file), 0);
    const rooms = [...new Set(sources.map(roomOf))];
    const perRoom = rooms.map((room) => `${room} ${total(sources.filter((file) => roomOf(file) === room))}`);
    console.info(`Lines: src ${total(sources)} (${perRoom.join(", ")}), shaders ${total(shaders)}`);
    expect(total(sources)).toBeGreaterThan(0);
  });
});

function lines(file: string): number {
  return textOf(file).split("\n").length - 1;
}
