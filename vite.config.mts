// Library build: three entries and the command line; WGSL is inlined, packages and Node modules stay imports.
import { defineConfig } from "vite";

export default defineConfig({
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
    rollupOptions: { external: [/^node:/, "webgpu", "commander", "cli-progress", /^@sparticuz\//] },
  },
});
