/**
 * Measures the download size of the built page: all scripts, minified and gzipped, that a browser loads from opening the page to
 * the end of a run of LeNet-5, the library and the ahead-of-time program listed separately. On the software adapter, and
 * disguised as a GPU, which has other kernels. `npm run demo:weight`; exits with code 1 above the budget.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import type { Browser } from "playwright";
import { buildSite, openBrowser, openPage, phaseOf } from "./open-page.ts";
import { type Site, serveSite } from "./static-server.ts";

/** KB of gzipped JavaScript before data. */
const BUDGET = 150;
const DISGUISE = resolve(import.meta.dirname, "../../bench/size/gpu-disguise.js");

export async function main(): Promise<number> {
  const folder = await buildSite();
  const site = await serveSite(folder);
  const browser = await openBrowser();
  const weigh = (name: string) => gzipSync(readFileSync(join(folder, name)), { level: 9 }).length / 1024;
  try {
    const software = tell("a software adapter", await scriptsOf(browser, site, false), weigh);
    const hardware = tell("a GPU", await scriptsOf(browser, site, true), weigh);
    const sum = (names: readonly string[]) => names.reduce((total, name) => total + weigh(name), 0);
    const other = await scriptsOf(browser, site, false, "mnist-small");
    const all = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
      /^assets.*\.js$/.test(name),
    );
    console.log(`A set-up that has to be traced in the page fetches ${sum(other).toFixed(1)} KB in all.`);
    console.log(`Every script of the build, which are kept for offline use: ${sum(all).toFixed(1)} KB.`);
    return Math.max(software, hardware, sum(other)) <= BUDGET ? 0 : 1;
  } finally {
    await browser.close();
    await site.close();
  }
}

/** The scripts that a visit loads. */
async function scriptsOf(
  browser: Browser,
  site: Site,
  asGpu: boolean,
  recipe = "lenet5",
): Promise<readonly string[]> {
  const { page, close } = await openPage(browser, "about:blank", { serviceWorkers: "block" });
  const asked = new Set<string>();
  page.context().on("request", (request) => asked.add(request.url()));
  if (asGpu) {
    await page.route(/\/worker-[^/]*\.js$/, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: readFileSync(DISGUISE, "utf8") + (await response.text()) });
    });
  }
  await page.goto(`${site.url}#recipe=${recipe}&data=synthetic&images=200&epochs=1&device=auto`);
  await phaseOf(page, "ready");
  await page.click("#train");
  await phaseOf(page, "done");
  const adapter = await page.textContent("#adapter");
  if (asGpu === /software/.test(adapter ?? "")) throw new Error(`expected another adapter than ${adapter}`);
  const status = await page.textContent("#run-status");
  if (!status?.startsWith("Trained")) throw new Error(`the run failed: ${status}`);
  await close();
  return [...asked]
    .filter((url) => url.startsWith(site.url) && url.endsWith(".js"))
    .map((url) => url.slice(site.url.length))
    .sort();
}

/** Prints the size of each part; returns the sum in KB. */
function tell(adapter: string, scripts: readonly string[], weigh: (name: string) => number): number {
  const take = (pattern: RegExp) => scripts.filter((name) => pattern.test(name));
  // This visit loads the module of synthetic digits instead of data, so that it is the same everywhere.
  const painter = take(/\/synthetic-/);
  const page = take(/\/index-/);
  const worker = take(/\/worker-/);
  const recording = take(/\/(gpu|software)-/);
  const library = scripts.filter((name) => ![painter, page, worker, recording].some((l) => l.includes(name)));
  const line = (title: string, names: readonly string[]): number => {
    const sum = names.reduce((total, name) => total + weigh(name), 0);
    console.log(`${sum.toFixed(1).padStart(8)} KB  ${title}`);
    return sum;
  };
  console.log(`On ${adapter}, before data:`);
  line("the page with its charts", page);
  line("its worker", worker);
  line("the library", library);
  line("the ahead-of-time program, kernels included", recording);
  const all = scripts.filter((name) => !painter.includes(name));
  const sum = line(`${all.length} scripts in all, budget ${BUDGET} KB`, all);
  line("not counted: who paints synthetic digits where there are no data", painter);
  return sum;
}
