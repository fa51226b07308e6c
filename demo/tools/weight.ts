/**
 * Weighs the built page: gzipped JavaScript, the library's part in it, and everything a first visit fetches before data.
 * `npm run demo:weight`; ends with code 1 over budget.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Request } from "playwright";
import { buildSite, openBrowser, openPage, phaseOf } from "./open-page.ts";
import { serveSite } from "./static-server.ts";

const BUDGET = 90 * 1024;
const kilobytes = (bytes: number) => `${(bytes / 1024).toFixed(1)} KB`;

export async function main(): Promise<number> {
  const folder = await buildSite();
  const weigh = (name: string) => gzipSync(readFileSync(join(folder, name)), { level: 9 }).length;
  const site = await serveSite(folder);
  const browser = await openBrowser();
  const asked = new Set<string>();
  try {
    // What a visitor's browser really asks for, from opening the page to the end of a run of LeNet-5.
    const { page, close } = await openPage(browser, "about:blank", { serviceWorkers: "block" });
    page.context().on("request", (request: Request) => asked.add(request.url()));
    await page.goto(`${site.url}#data=synthetic&images=200&epochs=1`);
    await phaseOf(page, "ready");
    await page.click("#train");
    await phaseOf(page, "done");
    await close();
  } finally {
    await browser.close();
    await site.close();
  }
  const scripts = [...asked]
    .filter((url) => url.startsWith(site.url))
    .map((url) => new URL(url).pathname.slice(new URL(site.url).pathname.length))
    .filter((name) => name.startsWith("assets/") && name.endsWith(".js"));
  const isPage = (name: string) => /\/index-/.test(name);
  const sum = (names: readonly string[]) => names.reduce((total, name) => total + weigh(name), 0);
  // Fetched only where no data can be had.
  const isPainter = (name: string) => /\/synthetic-/.test(name);
  const page = sum(scripts.filter(isPage));
  const worker = sum(scripts.filter((name) => !isPage(name) && !isPainter(name)));
  for (const name of scripts.sort((a, b) => weigh(b) - weigh(a)).slice(0, 8)) {
    console.log(`${kilobytes(weigh(name)).padStart(9)}  ${name}`);
  }
  console.log(
    `${scripts.length} scripts of ${readdirSync(join(folder, "assets")).length} assets are fetched for a run of LeNet-5.`,
  );
  console.log(
    `Page with charts ${kilobytes(page)}, worker with the library and its kernels ${kilobytes(worker)}.`,
  );
  console.log(
    `Not counted: the painter of synthetic digits, ${kilobytes(sum(scripts.filter(isPainter)))}, for want of data only.`,
  );
  console.log(`Gzipped JavaScript in all ${kilobytes(page + worker)}, budget ${kilobytes(BUDGET)}.`);
  return page + worker <= BUDGET ? 0 : 1;
}
