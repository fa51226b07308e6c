// What a page loads to train LeNet-5, minified and gzipped: bundles lenet5.ts against the built library, trains with it in
// headless Chromium and adds up every script that is fetched, kernels included. `npm run build && npm run size [-- --json]`.
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { startChromium } from "../chromium.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TYPES = { ".html": "text/html", ".js": "text/javascript" };
/** Makes the library take the adapter for hardware: it then fetches its kernels for GPUs, which run all the same. */
const DISGUISE = `const real = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, "info").get;
  Object.defineProperty(GPUAdapter.prototype, "info", { get() {
    const { subgroupMinSize, subgroupMaxSize } = real.call(this);
    const name = "a GPU";
    return { vendor: name, architecture: name, device: name, description: name, subgroupMinSize, subgroupMaxSize };
  } });`;

/** Gzipped bytes by file, of what is fetched on a software adapter and on a GPU. Throws Error where `library` is not built. */
export async function measureSize(library = join(ROOT, "dist")) {
  if (!existsSync(join(library, "index.js")))
    throw new Error(`size: there is no ${library}; npm run build makes dist`);
  const folder = await mkdtemp(join(tmpdir(), "weft-size-"));
  try {
    await bundle(library, folder);
    const browser = await startChromium();
    try {
      return { software: await visit(browser, folder), gpu: await visit(browser, folder, DISGUISE) };
    } finally {
      await browser.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function bundle(library, outDir) {
  await build({
    root: join(ROOT, "bench/size"),
    configFile: false,
    logLevel: "error",
    resolve: { alias: { "weft/browser": join(library, "browser.js"), weft: join(library, "index.js") } },
    build: { target: "es2023", modulePreload: false, outDir, emptyOutDir: true },
  });
}

/** Serves `folder` to one page until that has trained; answers the gzipped size of each script it asked for. */
async function visit(browser, folder, script) {
  const sizes = {};
  const server = createServer(async (request, response) => {
    const path = request.url === "/" ? "/index.html" : request.url;
    const body = await readFile(join(folder, path)).catch(() => undefined);
    if (body !== undefined && extname(path) === ".js")
      sizes[path.slice(1)] = gzipSync(body, { level: 9 }).length;
    response.writeHead(body === undefined ? 404 : 200, {
      "content-type": TYPES[extname(path)] ?? "text/plain",
    });
    response.end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const page = await browser.newPage();
  try {
    const failed = new Promise((_, reject) => page.on("pageerror", reject));
    if (script !== undefined) await page.addInitScript(script);
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await Promise.race([
      page.waitForFunction(() => document.title.startsWith("trained"), undefined, { timeout: 300_000 }),
      failed,
    ]);
    return sizes;
  } finally {
    await page.close();
    server.close();
  }
}

export const total = (sizes) => Object.values(sizes).reduce((sum, size) => sum + size, 0);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const sizes = await measureSize();
  if (process.argv.includes("--json")) console.log(JSON.stringify(sizes));
  else {
    for (const [adapter, files] of Object.entries(sizes)) {
      const kb = (bytes) => `${(bytes / 1000).toFixed(1)} KB`.padStart(8);
      console.log(`On a ${adapter} adapter: ${kb(total(files)).trim()} of scripts, minified and gzipped`);
      for (const [file, size] of Object.entries(files).sort((a, b) => b[1] - a[1]))
        console.log(`${kb(size)}  ${file}`);
    }
  }
}
