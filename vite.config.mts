// Two library builds. `vite build` keeps a file per module, so that bundlers take only what a program uses; WGSL files are
// modules too, imported when a kernel in them is compiled. `vite build --mode node` writes few files: Node loads them in a
// third of the time (75 ms against 250), and the command line starts one process per command.
import { defineConfig, type UserConfig } from "vite";

const shared = { minify: false, reportCompressedSize: false } as const;
const external = [/^node:/, "webgpu", "commander", "cli-progress", "jpeg-js", "pngjs", /^@sparticuz\//];

const forBundlers: UserConfig = {
  build: {
    ...shared,
    target: "es2023",
    lib: {
      entry: { index: "src/index.ts", browser: "src/browser/index.ts", replay: "src/replay/index.ts" },
      formats: ["es"],
    },
    rollupOptions: {
      external,
      output: {
        preserveModules: true,
        preserveModulesRoot: "src",
        // `conv2d.wgsl?raw` becomes shaders/conv2d.js.
        entryFileNames: ({ name }) => `${name.replace(".wgsl", "")}.js`,
      },
    },
  },
};

const forNode: UserConfig = {
  build: {
    ...shared,
    target: "node20",
    outDir: "dist/node",
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
      // What is imported on demand in a page is no file of its own here.
      checks: { ineffectiveDynamicImport: false },
      output: {
        codeSplitting: {
          groups: [
            { name: "weft", test: /[\\/](src|shaders)[\\/](?!node[\\/])/ },
            // Apart, because these import packages and Node modules.
            { name: "host", test: /[\\/]src[\\/]node[\\/](?!cli[\\/])/ },
            { name: "commands", test: /[\\/]src[\\/]node[\\/]cli[\\/]/ },
          ],
        },
      },
    },
  },
};

export default defineConfig(({ mode }) => (mode === "node" ? forNode : forBundlers));
