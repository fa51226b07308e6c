// A library under test in a page: bundles page.mjs once, serves it to a Chromium per library, and passes requests on.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { startChromium } from "../chromium.mjs";
import { loadProblem } from "./problem.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const OUT = join(HERE, ".cache/page");
const HTML =
  '<!doctype html><meta charset="utf-8"><title>peers</title><script type="module" src="/page.js"></script>';

let serving;

/** A browser of its own with the page in it; `weftBuild` is the index.js of the library to use. */
export async function startPage(weftBuild) {
  serving ??= bundle(weftBuild).then(serve);
  const server = await serving;
  const browser = await startChromium();
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.waitForFunction(() => "weftBench" in globalThis);
  return {
    async ask(method, args = {}) {
      if (method === "stop") return browser.close();
      if (method === "memory") return { peakMiB: Number.NaN };
      const { result, error, unavailable } = await page.evaluate(
        ([name, given]) => globalThis.weftBench.ask(name, given),
        [method, args],
      );
      if (error === undefined) return result;
      throw Object.assign(new Error(error), { unavailable });
    },
  };
}

async function bundle(weftBuild) {
  await build({
    root: HERE,
    configFile: false,
    logLevel: "error",
    plugins: [
      {
        name: "weft-build",
        enforce: "pre",
        resolveId: (id) =>
          id.endsWith("/dist/index.js") && id.startsWith("../../..") ? weftBuild : undefined,
      },
    ],
    build: {
      target: "es2023",
      outDir: OUT,
      emptyOutDir: true,
      lib: { entry: join(HERE, "page.mjs"), formats: ["es"], fileName: () => "page.js" },
    },
  });
}

async function serve() {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://localhost");
    const send = (type, body) => response.writeHead(200, { "content-type": type }).end(body);
    if (url.pathname === "/") return send("text/html", HTML);
    if (url.pathname === "/problem")
      return send("application/json", problemText(url.searchParams.get("batch")));
    const file = join(OUT, normalize(url.pathname));
    const body = await readFile(file).catch(() => undefined);
    return body === undefined ? response.writeHead(404).end() : send("text/javascript", body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** Typed arrays as plain ones. */
const problemText = (batch) =>
  JSON.stringify(loadProblem(Number(batch)), (_, value) =>
    ArrayBuffer.isView(value) ? Array.from(value) : value,
  );
