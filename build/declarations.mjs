// Rolls the declarations that tsc writes for every module into one file per entry of the package, and one that they share.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { rollup } from "rollup";
import { dts } from "rollup-plugin-dts";

const dist = join(import.meta.dirname, "../dist");
const modules = join(dist, "types/modules");
const entries = { index: "index", node: "node/index", browser: "browser/index", replay: "replay/index" };

const bundle = await rollup({
  input: Object.fromEntries(
    Object.entries(entries).map(([name, path]) => [name, join(modules, `${path}.d.ts`)]),
  ),
  plugins: [dts()],
  // What the entries share is reachable through them: `data.Dataset` is, `Dataset` itself is no name of its own.
  onLog(level, log, handler) {
    if (!log.message.includes("no public re-export")) handler(level, log);
  },
});
await bundle.write({
  dir: join(dist, "types"),
  entryFileNames: "[name].d.ts",
  chunkFileNames: "shared.d.ts",
  manualChunks: (id) =>
    Object.values(entries).some((path) => id === join(modules, `${path}.d.ts`)) ? null : "shared",
  // The declarations name GPUDevice and others, which TypeScript's own library lacks.
  banner: '/// <reference types="@webgpu/types" />',
});
await bundle.close();
await rm(modules, { recursive: true });
