/**
 * The page's build. `vite demo` serves it with the data directory under data/; `vite build demo` makes a static site in
 * demo/dist that works in any folder, offline after the first visit, under a strict content-security policy.
 * `--mode with-data` copies MNIST in.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type Plugin, runnerImport } from "vite";
import { pageMirrors } from "../src/browser/datasets.ts";
import { fashionMnistSource, mnistSource } from "../src/data/published/mnist.ts";
import { dataDirectory } from "../src/node/files/cache-folder.ts";

const sources = [mnistSource, fashionMnistSource];
const mirrorHosts = [...new Set(sources.flatMap(pageMirrors).map((address) => new URL(address).origin))];

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  `connect-src 'self' ${mirrorHosts.join(" ")}`,
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** The data sets whose files are all in `folder`. */
function present(folder: string) {
  return sources.filter(({ name, files }) =>
    files.every((file) => existsSync(join(folder, name, file.name))),
  );
}

/** Serves the files of the data directory byte for byte, and the list of complete data sets. */
const serveData: Plugin = {
  name: "weft-serve-data",
  configureServer(server) {
    const folder = dataDirectory();
    server.middlewares.use("/data/", (request, response, next) => {
      const path = (request.url ?? "").split("?")[0] ?? "";
      if (path === "/index.json") {
        response.setHeader("content-type", "application/json");
        return void response.end(JSON.stringify(present(folder).map(({ name }) => name)));
      }
      const known = sources.some(({ name, files }) => files.some((file) => path === `/${name}/${file.name}`));
      const file = join(folder, path);
      if (!known || !existsSync(file)) return next();
      // Without content-encoding, because the browser must not decompress files whose checksums are of the compressed form.
      response.setHeader("content-type", "application/gzip");
      response.setHeader("content-length", statSync(file).size);
      createReadStream(file).pipe(response);
    });
  },
};

/** Copies data beside the static page, or an empty list of data sets. */
const copyData = (withData: boolean): Plugin => ({
  name: "weft-copy-data",
  apply: "build",
  generateBundle() {
    const folder = dataDirectory();
    const { name, files } = mnistSource;
    if (withData && !present(folder).some((source) => source.name === name)) {
      this.error(
        `${join(folder, name)} does not hold MNIST: run "npx weft data get mnist", or set WEFT_DATA`,
      );
    }
    this.emitFile({
      type: "asset",
      fileName: "data/index.json",
      source: JSON.stringify(withData ? [name] : []),
    });
    for (const file of withData ? files : []) {
      const source = readFileSync(join(folder, name, file.name));
      this.emitFile({ type: "asset", fileName: `data/${name}/${file.name}`, source });
    }
  },
});

/**
 * For hosts that read a file `_headers` (Netlify, Cloudflare Pages); others must be configured to send the same. A meta element
 * applies to the page but not to its workers, which have the policy of the response with their file.
 */
const headers = `/*
  Content-Security-Policy: ${policy}; frame-ancestors 'none'
  X-Content-Type-Options: nosniff
  Referrer-Policy: no-referrer
/assets/*
  Cache-Control: public, max-age=31536000, immutable
/sw.js
  Cache-Control: no-cache
/index.html
  Cache-Control: no-cache
/
  Cache-Control: no-cache
`;

/** The policy as headers and as a meta element. Only in builds, because it blocks the dev server's own scripts. */
const strictPolicy: Plugin = {
  name: "weft-strict-policy",
  apply: "build",
  generateBundle() {
    this.emitFile({ type: "asset", fileName: "_headers", source: headers });
  },
  transformIndexHtml: () => [
    {
      tag: "meta",
      attrs: { "http-equiv": "Content-Security-Policy", content: policy },
      injectTo: "head-prepend",
    },
  ],
};

/** A service worker with the list of all files of this build. The library itself caches data sets. */
const offline: Plugin = {
  name: "weft-offline",
  apply: "build",
  enforce: "post",
  generateBundle(_, bundle) {
    const files = Object.keys(bundle)
      .filter((name) => !/^(data\/mnist|_headers$)|\.map$/.test(name))
      .concat("icon.svg")
      .sort();
    const content = files.map((name) => {
      const item = bundle[name];
      if (item === undefined) return name;
      return item.type === "chunk" ? item.code : item.source;
    });
    const hash = createHash("sha256");
    for (const part of content) hash.update(part);
    const template = readFileSync(join(import.meta.dirname, "service-worker.js"), "utf8");
    const list = JSON.stringify(["./", ...files.filter((name) => name !== "index.html")]);
    const source = template
      .replace("__VERSION__", hash.digest("hex").slice(0, 12))
      .replace('["__FILES__"]', list);
    if (!source.includes(list)) this.error("service-worker.js has no place for the files");
    this.emitFile({ type: "asset", fileName: "sw.js", source });
  },
};

/** `virtual:compiled-programs/gpu`: the page's default run compiled ahead of time, see compile-page.ts. */
function compiledPrograms(): Plugin {
  const prefix = "\0virtual:compiled-programs/";
  return {
    name: "weft-compiled-programs",
    resolveId: (id) => (`\0${id}`.startsWith(prefix) ? `\0${id}` : undefined),
    async load(id) {
      if (!id.startsWith(prefix)) return undefined;
      const { programs } = await compiledOnce();
      return `export default ${JSON.stringify(programs[id.slice(prefix.length)])};`;
    },
  };
}

let compiling: Promise<typeof import("./compile-page.ts")> | undefined;

/** Compiles once for all builds of a process. */
function compiledOnce() {
  compiling ??= runnerImport<typeof import("./compile-page.ts")>(
    join(import.meta.dirname, "compile-page.ts"),
    {
      configFile: false,
    },
  ).then(({ module }) => module);
  return compiling;
}

/** The library in a file of its own, so that its size is visible and caches keep it when only the page changes. */
const library = { name: "weft", test: /[\\/]src[\\/]/, tags: ["$initial" as const] };

/** Kernels in a folder of their own. */
const chunkFileNames = ({ moduleIds }: { readonly moduleIds: readonly string[] }) =>
  `assets/${moduleIds.every((id) => id.endsWith(".wgsl?raw")) ? "kernels/" : ""}[name]-[hash].js`;

export default defineConfig(({ mode }) => ({
  root: import.meta.dirname,
  base: "./",
  // A missing file is an error 404, not the page.
  appType: "mpa",
  plugins: [serveData, copyData(mode === "with-data"), strictPolicy, offline, compiledPrograms()],
  worker: {
    format: "es",
    plugins: () => [compiledPrograms()],
    rolldownOptions: { output: { codeSplitting: { groups: [library] }, chunkFileNames } },
  },
  build: {
    target: "es2023",
    outDir: "dist",
    emptyOutDir: true,
    // The polyfill is for browsers without WebGPU, and its inline script violates the policy.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
}));
