/** The package as npm would publish it: what is in the tarball, and a foreign project that compiles against it and trains. */
import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const run = promisify(execFile);

interface Packed {
  readonly size: number;
  readonly entryCount: number;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

const PROGRAM = `
import { checkGradients, data, nn, optim, Trainer, type Backend, type History } from "weft";
import { openDevice } from "weft/node";
import type * as browser from "weft/browser";
import type * as replay from "weft/replay";
import { distances, softsign } from "./custom-op.js";

const device: Backend = await openDevice({ backend: "cpu" });
const values = Float32Array.from({ length: 160 }, (_, i) => Math.sin(1.7 * i));
const labels = Int32Array.from({ length: 40 }, (_, i) => i % 3);
const set = data.datasetFromArrays({ dtype: "<f4", data: values, shape: [40, 4] }, { dtype: "<i4", data: labels, shape: [40] });
const model = nn.sequential(nn.linear(4, 8), nn.relu(), nn.linear(8, 3));
const trainer = await Trainer.create(device, {
  model, loss: nn.crossEntropy(), optimizer: optim.adam(), batchSize: 8, seed: 1,
});
const history: History = await trainer.fit(set, { epochs: 4 });
export type Page = typeof browser.openDevice;
export type Ahead = keyof typeof replay;
const matrices = [{ data: values.slice(0, 6), shape: [2, 3] }, { data: values.slice(6, 12), shape: [2, 3] }];
const { ok } = await checkGradients((a, b) => softsign(distances(a!, b!)), matrices);
console.log(trainer.steps, history.epochs.length, ok);
await device.close();
`;

let folder: string;
let packed: Packed;

/** What `npm run build` reads. */
const BUILT_FROM = [
  ...["src", "shaders", "build"],
  ...["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json", "vite.config.mts"],
];

/** Whether dist was built after every change of what it is built from. Its declarations are written last. */
function distIsCurrent(): boolean {
  const time = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const below = (path: string): string[] =>
    statSync(path).isDirectory()
      ? [path, ...readdirSync(path, { recursive: true, encoding: "utf8" }).map((name) => join(path, name))]
      : [path];
  const newest = Math.max(...BUILT_FROM.flatMap((name) => below(join(root, name))).map(time));
  return time(join(root, "dist/types/index.d.ts")) > newest;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "weft-package-"));
  const copy = join(folder, "repository");
  for (const path of [...BUILT_FROM, "README.md", "LICENSE"])
    cpSync(join(root, path), join(copy, path), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"), "dir");
  // In CI `npm run build` has just run; it takes half a minute of one core.
  if (distIsCurrent()) cpSync(join(root, "dist"), join(copy, "dist"), { recursive: true });
  else await run("npm", ["run", "build"], { cwd: copy });
  const { stdout } = await run("npm", ["pack", "--json"], { cwd: copy });
  [packed] = JSON.parse(stdout) as [Packed];
  const project = join(folder, "project");
  const modules = join(project, "node_modules");
  mkdirSync(join(modules, "@webgpu"), { recursive: true });
  await run("tar", ["xzf", join(copy, packed.filename), "-C", modules]);
  await run("mv", [join(modules, "package"), join(modules, "weft")]);
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  for (const name of Object.keys(dependencies))
    symlinkSync(join(root, "node_modules", name), join(modules, name), "dir");
  writeFileSync(join(project, "package.json"), '{ "type": "module" }');
  writeFileSync(join(project, "program.ts"), PROGRAM);
  cpSync(join(root, "test/support/custom-op.ts"), join(project, "custom-op.ts"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the tarball", () => {
  // One file per module, so that bundlers take only what a program uses.
  test("has at most 500 files and 1.5 MB", () => {
    expect(packed.entryCount).toBeLessThanOrEqual(500);
    expect(packed.size).toBeLessThan(1.5e6);
  });

  test("holds no source maps, tests or declarations of single modules", () => {
    const paths = packed.files.map(({ path }) => path);
    expect(paths.filter((path) => /\.map$|\.test\.|(^|\/)(test|bench|demo)\//.test(path))).toEqual([]);
    expect(paths.filter((path) => path.endsWith(".d.ts"))).toHaveLength(5);
    expect(paths.filter((path) => /\.ts$/.test(path) && !path.endsWith(".d.ts"))).toEqual([]);
  });
});

describe("a foreign project", () => {
  test.each(["bundler", "node16", "nodenext"])("compiles with moduleResolution %s", async (resolution) => {
    const options = {
      target: "es2023",
      lib: ["es2023", "dom"],
      module: resolution === "bundler" ? "esnext" : resolution,
      moduleResolution: resolution,
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      types: [],
      outDir: "out",
    };
    const project = join(folder, "project");
    writeFileSync(
      join(project, "tsconfig.json"),
      JSON.stringify({ compilerOptions: options, files: ["program.ts"] }),
    );
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const { stdout } = await run(process.execPath, [tsc, "-p", "."], { cwd: project }).catch(
      (error: { stdout: string }) => error,
    );
    expect(stdout).toBe("");
  });

  test("trains what it compiled", async () => {
    const project = join(folder, "project");
    const { stdout } = await run(process.execPath, ["out/program.js"], { cwd: project });
    expect(stdout).toBe("20 4 true\n");
  });
});
