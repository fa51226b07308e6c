// Two library builds. `vite build` is for those who bundle: a file per module, so that they take only the modules that their
// program uses, but one file for those that all programs use; WGSL becomes modules too, which are fetched when a kernel in
// them is compiled. `vite build --mode node` is for Node: few files, which load three times as fast. Packages and Node modules
// stay imports.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig, type Plugin, type UserConfig } from "vite";
import { groupWgsl } from "./build/group-wgsl.ts";
import { minifyWgsl } from "./build/minify-wgsl.ts";
import { splitBodies } from "./build/split-bodies.ts";

const root = import.meta.dirname;
const shaders = resolve(root, "shaders");
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

/**
 * What every program uses, and parts of it that are fetched on demand use again: bundlers put what is shared like that in
 * chunks of their own, one for every set of users, so that a page would fetch ten small files where it now fetches one.
 * Imports nothing else of the library.
 */
const core =
  /^(autograd|errors|math-exact|op|random|shader|tensor|data\/(dataset|sharded)|plan\/[\w-]+|ops\/(arithmetic|broadcast|copy|fill|gather-batch|gather-counts|pointwise|reduction-geometry|reshape|sum))$/;

/** Kernels that are fetched together: in every step; by networks with linear layers; by those with blocks of conv2d. */
const together = {
  step: ["gather-batch", "order-functions", "packed-functions", "record"],
  products: ["linear-blocks", "matmul-blocks"],
  "products-software": ["linear-quad", "matmul-edges", "matmul-pairs", "matmul-quad", "quad-functions"],
  "products-plain": ["linear", "matmul"],
  "conv-blocks": ["conv-block-window", "conv2d-combine"],
  "conv2d-tiles": [
    "conv2d-forward",
    "conv2d-part",
    "conv2d-weight",
    "conv2d-weight-parts",
    "conv2d-weight-whole",
  ],
  "conv-block-gpu": ["conv-block-few", "conv-block-few-backward"],
  "conv-block-tiles": ["conv-block", "conv-block-gradients", "conv-block-places"],
  "conv-block-software": ["conv-block-strips", "conv-block-strips-backward", "conv-block-strips-pixels"],
};

/** `ops/conv2d` or `shaders/conv2d` of a module's id; undefined for what is neither. */
const stemOf = (id: string) =>
  /[\\/:](?:src[\\/](.+)\.ts|(shaders[\\/].+?)(?:\.wgsl\?raw)?)$/.exec(id)?.slice(1).join("");

const external = [/^node:/, "webgpu", "commander", "cli-progress", "jpeg-js", "pngjs", /^@sparticuz\//];

const forBundlers: UserConfig = {
  plugins: [wholeModules, groupWgsl(shaders, together), minifyWgsl(shaders), splitBodies()],
  build: {
    target: "es2023",
    minify: false,
    sourcemap: true,
    reportCompressedSize: false,
    lib: {
      entry: {
        index: "src/index.ts",
        browser: "src/browser/index.ts",
        replay: "src/replay/index.ts",
        ...Object.fromEntries(whole.map((module) => [module, `src/${module}.ts`])),
      },
      formats: ["es"],
    },
    rollupOptions: {
      preserveEntrySignatures: "allow-extension",
      output: {
        minifyInternalExports: false,
        chunkFileNames: ({ name, moduleIds: [id, ...others] }) =>
          `${(others.length === 0 && id !== undefined && stemOf(id)) || name}.js`,
        codeSplitting: {
          includeDependenciesRecursively: false,
          groups: [
            {
              debugName: "modules",
              // Entries, and what is fetched on demand, have files anyway.
              name(id, context) {
                const { isEntry, dynamicImporters } = context.getModuleInfo(id) ?? { dynamicImporters: [] };
                const stem = stemOf(id);
                if (isEntry || dynamicImporters.length > 0 || stem === undefined) return null;
                return core.test(stem) ? "core" : stem;
              },
            },
          ],
        },
      },
      external,
    },
  },
};

const forNode: UserConfig = {
  plugins: [minifyWgsl(resolve(root, "shaders"))],
  build: {
    target: "node20",
    outDir: "dist/node",
    minify: false,
    sourcemap: true,
    reportCompressedSize: false,
    lib: {
      entry: {
        index: "src/index.ts",
        node: "src/node/index.ts",
        replay: "src/replay/index.ts",
        cli: "src/node/cli/main.ts",
      },
      formats: ["es"],
    },
    rollupOptions: {
      external,
      // What is fetched on demand in a page is no file of its own here.
      checks: { ineffectiveDynamicImport: false },
      output: {
        codeSplitting: {
          groups: [
            { name: "kernels", test: /\.wgsl\?raw$/ },
            { name: "weft", test: /[\\/]src[\\/](?!node[\\/])/, tags: ["$initial"] },
            // Apart, because it imports packages.
            { name: "host", test: /[\\/]src[\\/]node[\\/](?!cli[\\/])/, tags: ["$initial"] },
          ],
        },
      },
    },
  },
};

export default defineConfig(({ mode }) => (mode === "node" ? forNode : forBundlers));
