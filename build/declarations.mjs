// Rolls the declarations that tsc writes for every module into one file per entry of the package, and one that they share.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { rollup } from "rollup";
import { dts } from "rollup-plugin-dts";

const dist = join(import.meta.dirname, "../dist");
const modules = join(dist, "types/modules");
const entries = { index: "index", node: "node/index", browser: "browser/index", replay: "replay/index" };

/** Interfaces of WebGPU that public declarations name. */
const named = ["GPUAdapter", "GPUAdapterInfo", "GPUBindGroupLayout", "GPUBuffer", "GPUComputePipeline"];
named.push("GPUDevice", "GPUPipelineLayout", "GPUSupportedLimits");
/**
 * TypeScript 6 and 7 have these interfaces in lib.dom, older ones in @webgpu/types, which does not compile beside that
 * lib.dom (TS2403). Empty interfaces merge with either, and stand for themselves in a project that has neither.
 */
const webgpuInterfaces = `declare global {\n${named.map((name) => `  interface ${name} {}\n`).join("")}}`;

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
  // `await using` on devices and trainers, also in projects that target ES2023.
  banner: '/// <reference lib="esnext.disposable" />',
  footer: ({ fileName }) => (fileName === "shared.d.ts" ? webgpuInterfaces : ""),
});
await bundle.close();
await rm(modules, { recursive: true });
