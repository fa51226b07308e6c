// Measures what a page loads to train LeNet-5, minified and gzipped: bundles lenet5.ts, and ahead-of-time/lenet5.ts, which is compiled
// ahead of time, against the built library, trains with them in headless Chromium and adds up everything that is fetched, kernels
// included. `npm run build && npm run size [-- --json]`.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { startChromium } from "../chromium.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".json": "application/json" };
const DISGUISE = fileURLToPath(new URL("gpu-disguise.js", import.meta.url));
const COMPILE = fileURLToPath(new URL("compile.mjs", import.meta.url));

/**
 * Gzipped bytes of every file that is fetched: traced in the page on a software adapter and on a GPU, and compiled ahead of
 * time for any adapter. Throws Error if `library` is not built.
 */
export async function measureSize(library = join(ROOT, "dist")) {
  if (!existsSync(join(library, "index.js")))
    throw new Error(`size: there is no ${library}; npm run build makes dist`);
  const folder = await mkdtemp(join(tmpdir(), "weft-size-"));
  try {
    const [traced, compiled] = [join(folder, "traced"), join(folder, "ahead-of-time")];
    await bundle(library, ".", traced);
    await bundle(library, "ahead-of-time", compiled);
    const program = join(compiled, "lenet5.program.json");
    await promisify(execFile)(process.execPath, [COMPILE, library, program]);
    const browser = await startChromium();
    try {
      return {
        software: await visit(browser, traced),
        gpu: await visit(browser, traced, DISGUISE),
        aheadOfTime: await visit(browser, compiled),
      };
    } finally {
      await browser.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function bundle(library, program, outDir) {
  await build({
    root: join(ROOT, "bench/size", program),
    configFile: false,
    logLevel: "error",
    resolve: {
      alias: {
        "weft/browser": join(library, "browser/index.js"),
        "weft/replay": join(library, "replay/index.js"),
        weft: join(library, "index.js"),
      },
    },
    build: { target: "es2023", modulePreload: false, outDir, emptyOutDir: true },
  });
}

/** Serves `folder` to one page until it has trained; gives the gzipped size of each script and program that was requested. */
async function visit(browser, folder, script) {
  const sizes = {};
  const server = createServer(async (request, response) => {
    const path = request.url === "/" ? "/index.html" : request.url;
    const body = await readFile(join(folder, path)).catch(() => undefined);
    if (body !== undefined && [".js", ".json"].includes(extname(path)))
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
    if (script !== undefined) await page.addInitScript({ path: script });
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
    const titles = {
      software: "Traced in the page, software adapter",
      gpu: "Traced in the page, GPU",
      aheadOfTime: "Compiled ahead of time",
    };
    for (const [program, files] of Object.entries(sizes)) {
      const kb = (bytes) => `${(bytes / 1000).toFixed(1)} KB`.padStart(8);
      console.log(`${titles[program]}: ${kb(total(files)).trim()}, minified and gzipped`);
      for (const [file, size] of Object.entries(files).sort((a, b) => b[1] - a[1]))
        console.log(`${kb(size)}  ${file}`);
    }
  }
}
