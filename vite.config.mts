// Library build: three entries and the command line; each WGSL file becomes a chunk of its own, packages and Node modules stay imports.
import { resolve } from "node:path";
import { defineConfig } from "vite";
import { minifyWgsl } from "./build/minify-wgsl.ts";

export default defineConfig({
  plugins: [minifyWgsl(resolve(import.meta.dirname, "shaders"))],
  build: {
    target: "es2023",
    minify: false,
    sourcemap: true,
    lib: {
      entry: {
        index: "src/index.ts",
        node: "src/node/index.ts",
        browser: "src/browser/index.ts",
        cli: "src/node/cli/main.ts",
      },
      formats: ["es"],
    },
    rollupOptions: {
      output: {
        chunkFileNames: ({ name, moduleIds }) =>
          moduleIds.every((id) => id.includes(".wgsl")) ? `shaders/${name}-[hash].js` : `${name}-[hash].js`,
      },
      external: [/^node:/, "webgpu", "commander", "cli-progress", "jpeg-js", "pngjs", /^@sparticuz\//],
    },
  },
});
