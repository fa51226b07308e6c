// Two library builds. `vite build` keeps a file per module, so that bundlers take only what a program uses; WGSL files are
// modules too, imported when a kernel in them is compiled. `vite build --mode node` writes few files: Node loads them in a
// third of the time (75 ms against 250), and the command line starts one process per command.
import { defineConfig, type Plugin, type UserConfig } from "vite";

const shared = { minify: false, reportCompressedSize: false } as const;
const external = [/^node:/, "webgpu", "commander", "cli-progress", "jpeg-js", "pngjs", /^@sparticuz\//];

const forBundlers: UserConfig = {
  build: {
    ...shared,
    target: "es2023",
    lib: {
      entry: {
        index: "src/index.ts",
        "browser/index": "src/browser/index.ts",
        "replay/index": "src/replay/index.ts",
      },
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

/** Makes the imports of WGSL files static: what a page fetches on demand would be 70 more files for Node to read. */
const staticShaders: Plugin = {
  name: "static-shaders",
  enforce: "pre",
  transform(code, id) {
    const imports: string[] = [];
    const changed = code.replace(/\bimport\(("[\w./-]+\.wgsl\?raw")\)/g, (_, file: string) => {
      imports.push(`import * as wgsl${imports.length} from ${file};`);
      return `Promise.resolve(wgsl${imports.length - 1})`;
    });
    // On the first line, so that others keep their numbers.
    return id.endsWith(".ts") && imports.length > 0
      ? { code: imports.join(" ") + changed, map: null }
      : undefined;
  },
};

const forNode: UserConfig = {
  plugins: [staticShaders],
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
