/** The built site's headers, and its service worker when a new build replaces another while pages are open. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openBrowser, openPage } from "../../demo/tools/open-page.ts";
import { headerRules, serveSite } from "../../demo/tools/static-server.ts";
import { DEMO_SITE } from "../support/demo-setup.ts";
import { HANG_LIMIT_MS } from "../support/hang-limit.ts";

const site = resolve(import.meta.dirname, "../..", DEMO_SITE);
const template = readFileSync(resolve(import.meta.dirname, "../../demo/service-worker.js"), "utf8");

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser?.close());

describe("headers", () => {
  it("hold the policy of the page's meta element, and are no file of the page", () => {
    const rules = headerRules(readFileSync(join(site, "_headers"), "utf8"));
    const headersOf = (path: string) =>
      Object.fromEntries(rules.filter(({ covers }) => covers(path)).flatMap(({ headers }) => headers));
    const html = readFileSync(join(site, "index.html"), "utf8");
    const meta = /http-equiv="Content-Security-Policy" content="([^"]+)"/
      .exec(html)?.[1]
      ?.replaceAll("&#39;", "'");
    expect(meta).toMatch(/default-src 'none'; script-src 'self'/);
    const worker = readdirSync(join(site, "assets")).find((name) => /^worker-.*\.js$/.test(name));
    for (const path of ["/", "/index.html", "/sw.js", `/assets/${worker}`])
      expect(headersOf(path)["Content-Security-Policy"], path).toBe(`${meta}; frame-ancestors 'none'`);
    expect(headersOf("/sw.js")["Cache-Control"]).toBe("no-cache");
    expect(headersOf("/index.html")["Cache-Control"]).toBe("no-cache");
    expect(headersOf(`/assets/${worker}`)["Cache-Control"]).toMatch(/immutable/);
    const listed = JSON.parse(
      /const FILES = (\[.*?\]);/.exec(readFileSync(join(site, "sw.js"), "utf8"))?.[1] ?? "",
    ) as string[];
    expect(listed).toContain("./");
    for (const name of listed.filter((file) => file !== "./"))
      expect(existsSync(join(site, name)), name).toBe(true);
    expect(listed).not.toContain("_headers");
  });

  it("apply to the page's worker: no other hosts, no code from elsewhere", async () => {
    const server = await serveSite(site);
    const opened = await openPage(browser, `${server.url}#images=1000`);
    try {
      const [worker] =
        opened.page.workers().length > 0 ? opened.page.workers() : [await opened.page.waitForEvent("worker")];
      // As texts: the test runner would make another import of it.
      const broken = (code: string) =>
        worker?.evaluate(`new Promise((done) => {
          addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective), { once: true });
          setTimeout(() => done("no rule"), ${HANG_LIMIT_MS});
          ${code}.catch(() => undefined);
        })`);
      expect(await broken('fetch("http://127.0.0.1:9/x")')).toBe("connect-src");
      expect(await broken('import("data:text/javascript,export {}")')).toMatch(/^script-src/);
    } finally {
      await opened.close();
      await server.close();
    }
  });
});

describe("the service worker", () => {
  let server: Server;
  let context: BrowserContext;
  let files: Record<string, string>;
  let url: string;
  /** Requests to the server. */
  let asked: string[];

  /** A site with a page, a script that it loads on demand, and a file whose name stays the same. */
  const build = (version: string): Record<string, string> => {
    const list = ["./", `main-${version}.js`, `late-${version}.js`, "icon.svg"];
    return {
      "/": `<!doctype html><title>${version}</title><script type="module" src="main-${version}.js"></script>`,
      [`/main-${version}.js`]: `navigator.serviceWorker.register("./sw.js", { updateViaCache: "none" });
        globalThis.late = () => import("./late-${version}.js").then(({ name }) => name);`,
      [`/late-${version}.js`]: `export const name = "late ${version}";`,
      "/icon.svg": `icon ${version}`,
      "/sw.js": template.replace("__VERSION__", version).replace('["__FILES__"]', JSON.stringify(list)),
    };
  };

  beforeEach(async () => {
    files = build("a");
    asked = [];
    server = createServer((request, response) => {
      const path = request.url ?? "";
      asked.push(path);
      const text = files[path];
      if (text === undefined) return void response.writeHead(404).end();
      const type = path.endsWith(".js") ? "text/javascript" : path === "/" ? "text/html" : "image/svg+xml";
      // A host that lets everything be kept for long.
      response.writeHead(200, { "content-type": type, "cache-control": "public, max-age=86400" }).end(text);
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    url = `http://localhost:${(server.address() as AddressInfo).port}/`;
    context = await browser.newContext();
    context.setDefaultTimeout(HANG_LIMIT_MS);
  });
  afterEach(async () => {
    await context.close();
    server.closeAllConnections();
    server.close();
  });

  const open = async () => {
    const page = await context.newPage();
    await page.goto(url);
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
    return page;
  };
  const late = (page: Page) =>
    page.evaluate(() => (globalThis as unknown as { late: () => Promise<string> }).late());
  const icon = (page: Page) => page.evaluate(() => fetch("./icon.svg").then((answer) => answer.text()));
  const states = (page: Page) =>
    page.evaluate(async () => {
      const found = await navigator.serviceWorker.getRegistration();
      return [found?.installing?.state, found?.waiting?.state, found?.active?.state].filter(Boolean).join();
    });
  const cachesOf = (page: Page) => page.evaluate(() => caches.keys());

  it("keeps the old build for its open pages, serves the new one to later pages, then removes the old one", async () => {
    const old = await open();
    expect(await cachesOf(old)).toEqual(["weft-page-a"]);
    files = build("b");
    const next = await context.newPage();
    await next.goto(url);
    expect(await next.title()).toBe("b");
    await expect.poll(() => states(next)).toBe("installed,activated");
    // The server no longer has this one.
    expect(await late(old)).toBe("late a");
    expect(await icon(old)).toBe("icon a");
    expect(await late(next)).toBe("late b");
    // Each build also works without the server.
    files = {};
    expect(await late(next)).toBe("late b");
    files = build("c");
    await next.reload();
    expect(await next.title()).toBe("c");
    await expect.poll(() => cachesOf(next)).toContain("weft-page-c");
    await expect.poll(() => states(next)).toBe("installed,activated");
    expect(await late(old)).toBe("late a");

    await old.close();
    await next.close();
    const last = await open();
    await expect
      .poll(async () => `${await cachesOf(last)} ${await states(last)}`)
      .toBe("weft-page-c activated");
    expect(await icon(last)).toBe("icon c");
    server.closeAllConnections();
    server.close();
    await last.reload();
    expect([await last.title(), await late(last)]).toEqual(["c", "late c"]);
  });

  it("bypasses the HTTP cache: no file of the old build in the cache of the new one", async () => {
    const first = await open();
    await first.evaluate(() => fetch("./icon.svg", { cache: "force-cache" }).then((answer) => answer.text()));
    await first.close();
    files = build("b");
    const second = await open();
    await expect.poll(() => states(second)).toMatch(/installed|activated/);
    await expect
      .poll(() =>
        second.evaluate(async () => {
          const found = await (await caches.open("weft-page-b")).match("./icon.svg");
          return found?.text();
        }),
      )
      .toBe("icon b");
    expect(asked.filter((path) => path === "/icon.svg").length).toBeGreaterThanOrEqual(2);
  });
});
