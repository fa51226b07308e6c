// Library build: a file per module, so that whoever bundles a program takes only the modules it uses. WGSL becomes modules
// too, which are fetched when a kernel in them is compiled. Packages and Node modules stay imports.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";
import { minifyWgsl } from "./build/minify-wgsl.ts";

const root = import.meta.dirname;
/** What src/index.ts gives out whole: `export * as nn from "./nn/index.ts"`. */
const whole = [
  ...readFileSync(resolve(root, "src/index.ts"), "utf8").matchAll(/export \* as \w+ from "\.\/(.+)\.ts"/g),
].map(([, module]) => module as string);

/** Leaves these exports as they are: made into an object, all that is in them would be in every bundle. */
const wholeModules: Plugin = {
  name: "whole-modules",
  enforce: "pre",
  resolveId(source, importer) {
    const module = /^\.\/(.+)\.ts$/.exec(source)?.[1] ?? "";
    if (importer !== resolve(root, "src/index.ts") || !whole.includes(module)) return undefined;
    return { id: `./${module}.js`, external: "relative" };
  },
};

export default defineConfig({
  plugins: [wholeModules, minifyWgsl(resolve(root, "shaders"))],
  build: {
    target: "es2023",
    minify: false,
    sourcemap: true,
    reportCompressedSize: false,
    lib: {
      entry: {
        index: "src/index.ts",
        node: "src/node/index.ts",
        browser: "src/browser/index.ts",
        replay: "src/replay/index.ts",
        cli: "src/node/cli/main.ts",
        ...Object.fromEntries(whole.map((module) => [module, `src/${module}.ts`])),
      },
      formats: ["es"],
    },
    rollupOptions: {
      output: { preserveModules: true, preserveModulesRoot: "src" },
      external: [/^node:/, "webgpu", "commander", "cli-progress", "jpeg-js", "pngjs", /^@sparticuz\//],
    },
  },
});
