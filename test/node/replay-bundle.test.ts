/** What a page loads to run a program compiled ahead of time: no op, no planner, no WGSL. */
import { join } from "node:path";
import { build, type Rollup } from "vite";
import { expect, it } from "vitest";

const src = join(import.meta.dirname, "../../src");

it("weft/replay bundles the executor without ops and planner", async () => {
  const built = (await build({
    configFile: false,
    logLevel: "error",
    build: { write: false, minify: false, lib: { entry: join(src, "replay/index.ts"), formats: ["es"] } },
  })) as Rollup.RollupOutput[];
  const modules = built.flatMap(({ output }) =>
    output.flatMap((chunk) => (chunk.type === "chunk" ? Object.entries(chunk.modules) : [])),
  );
  const loaded = modules
    .filter(([, { renderedLength }]) => renderedLength > 0)
    .map(([path]) => path.replace(`${src}/`, ""));
  expect(loaded).toContain("runtime/gpu/program.ts");
  const known = new Set(["plan/image.ts"]);
  const other = /^(ops|nn|optim|fusion|autograd)|^plan\/(graph|plan)\.ts$|\.wgsl/;
  expect(loaded.filter((path) => other.test(path) && !known.has(path))).toEqual([]);
});
