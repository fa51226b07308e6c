/**
 * Takes screenshots of the page in every state and width: `npm run demo:screenshots`. They are written to demo/screenshots;
 * readme.png is committed for the README. Uses MNIST from the data directory if it is there, else synthetic digits.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright";
import { dataDirectory } from "../../src/node/files/cache-folder.ts";
import { buildSite, drawStrokes, openBrowser, openPage, phaseOf } from "./open-page.ts";
import { serveSite } from "./static-server.ts";

const folder = resolve(import.meta.dirname, "../screenshots");
const SEVEN = [
  [
    [0.26, 0.2],
    [0.5, 0.18],
    [0.74, 0.19],
    [0.6, 0.5],
    [0.46, 0.86],
  ],
] as const;

const phone: BrowserContextOptions = {
  viewport: { width: 360, height: 740 },
  isMobile: true,
  hasTouch: true,
};
const desk: BrowserContextOptions = { viewport: { width: 1360, height: 860 } };
const wide: BrowserContextOptions = { viewport: { width: 1920, height: 1080 } };
const tablet: BrowserContextOptions = { viewport: { width: 820, height: 1100 } };

export async function main(wanted: readonly string[]): Promise<number> {
  mkdirSync(folder, { recursive: true });
  const data = dataDirectory();
  const real = existsSync(join(data, "mnist"));
  const site = await serveSite(await buildSite(), real ? data : undefined);
  const browser = await openBrowser();
  const hash = (more: string) =>
    `${site.url}#data=${real ? "mnist" : "synthetic"}&images=5000&rate=0.003&epochs=2&${more}`;
  const shot = async (page: Page, name: string, fullPage = true) => {
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage });
    console.log(`demo/screenshots/${name}.png`);
  };
  const all: Record<string, () => Promise<void>> = {
    "desk-light": () =>
      visit(browser, hash(""), { ...desk, colorScheme: "light" }, (page, state) =>
        shot(page, `desk-light-${state}`),
      ),
    "desk-dark": () =>
      visit(browser, hash(""), { ...desk, colorScheme: "dark" }, (page, state) =>
        shot(page, `desk-dark-${state}`),
      ),
    "phone-light": () =>
      visit(browser, hash(""), { ...phone, colorScheme: "light" }, (page, state) =>
        shot(page, `phone-light-${state}`),
      ),
    "phone-dark": () =>
      visit(browser, hash("recipe=mlp"), { ...phone, colorScheme: "dark" }, (page, state) =>
        shot(page, `phone-dark-${state}`),
      ),
    "tablet-light": () =>
      visit(browser, hash("recipe=mlp"), { ...tablet, colorScheme: "light" }, (page, state) =>
        shot(page, `tablet-light-${state}`),
      ),
    "wide-dark": () =>
      visit(browser, hash("recipe=mlp"), { ...wide, colorScheme: "dark" }, (page, state) =>
        shot(page, `wide-dark-${state}`),
      ),
    compare: () => compareRuns(browser, hash(""), (page) => shot(page, "readme", false)),
    errors: async () => {
      for (const [name, size] of Object.entries({ phone, desk })) {
        await withoutWebGpu(browser, hash("recipe=mlp"), size, (page) =>
          shot(page, `${name}-light-no-webgpu`),
        );
      }
    },
  };
  try {
    for (const [name, work] of Object.entries(all)) {
      if (wanted.length === 0 || wanted.includes(name)) await work();
    }
  } finally {
    await browser.close();
    await site.close();
  }
  return 0;
}

/** Before, during and after training. */
async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions,
  shot: (page: Page, state: string) => Promise<void>,
): Promise<void> {
  const { page, close } = await openPage(browser, url, options);
  await phaseOf(page, "ready");
  await settle(page);
  await shot(page, "idle");
  await page.click("#train");
  await page.waitForFunction(() => Number(document.getElementById("figure-step")?.textContent) >= 60);
  await shot(page, "training");
  await phaseOf(page, "done");
  await page.locator("#pad").scrollIntoViewIfNeeded();
  await drawStrokes(page, SEVEN);
  await settle(page);
  await shot(page, "trained");
  await close();
}

/** Adam and SGD in one chart. */
async function compareRuns(
  browser: Browser,
  url: string,
  shot: (page: Page) => Promise<void>,
): Promise<void> {
  const { page, close } = await openPage(browser, url, {
    viewport: { width: 1320, height: 864 },
    colorScheme: "light",
  });
  await phaseOf(page, "ready");
  for (const optimizer of ["adam", "sgd", "rmsprop"]) {
    await page.selectOption("[name=optimizer]", optimizer);
    if (optimizer !== "adam") await page.click("#reset");
    await phaseOf(page, "ready");
    await page.click("#train");
    await phaseOf(page, "done");
  }
  await drawStrokes(page, SEVEN);
  await settle(page);
  await shot(page);
  await close();
}

async function withoutWebGpu(
  browser: Browser,
  url: string,
  options: BrowserContextOptions,
  shot: (page: Page) => Promise<void>,
): Promise<void> {
  const before = () => void Object.defineProperty(Navigator.prototype, "gpu", { value: undefined });
  const { page, close } = await openPage(browser, url, { ...options, before });
  await phaseOf(page, "ready");
  await settle(page);
  await shot(page);
  await close();
}

/** Waits until the last results are drawn. */
const settle = (page: Page) => page.waitForTimeout(1200);
