/**
 * Builds the page and opens it in the headless Chromium of the tests; records errors on the console, thrown errors and
 * violations of the page's policy.
 */
import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright";
import { chromiumLaunch, unpackChromium } from "../../test/support/drivers.ts";
import { HANG_LIMIT_MS } from "../../test/support/hang-limit.ts";

const root = resolve(import.meta.dirname, "../..");

/** Builds the page into a folder of the repository and returns its path. */
export async function buildSite(folder = "demo/dist"): Promise<string> {
  const outDir = join(root, folder);
  const vite = join(root, "node_modules/vite/bin/vite.js");
  const config = join(root, "demo/vite.config.mts");
  const args = [vite, "build", join(root, "demo"), "--config", config, "--outDir", outDir, "--emptyOutDir"];
  // In its own process, because the environment of a test runner changes the build.
  const env = { ...process.env, NODE_ENV: "production" };
  await promisify(execFile)(process.execPath, [...args, "--logLevel", "error"], { env, cwd: root });
  return outDir;
}

export function openBrowser(): Promise<Browser> {
  unpackChromium();
  return chromium.launch(chromiumLaunch);
}

export interface OpenedPage {
  readonly page: Page;
  /** The errors so far, one line each. */
  readonly problems: string[];
  close(): Promise<void>;
}

/** Opens an address in a new context. `before` runs in the page before its scripts. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions & { readonly before?: () => void } = {},
): Promise<OpenedPage> {
  const { before, ...rest } = options;
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...rest });
  context.setDefaultTimeout(HANG_LIMIT_MS);
  const problems: string[] = [];
  await context.exposeBinding("noteProblem", (_, text: string) => void problems.push(text));
  await context.addInitScript(() => {
    const { noteProblem } = globalThis as unknown as { noteProblem: (text: string) => void };
    addEventListener("securitypolicyviolation", (event) => {
      noteProblem(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  if (before !== undefined) await context.addInitScript(before);
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") {
      problems.push(`console: ${message.text()} ${message.location().url}`);
    }
  });
  page.on("pageerror", (error) => problems.push(`thrown: ${error.stack ?? error.message}`));
  await page.goto(url);
  return { page, problems, close: () => context.close() };
}

/** Waits until the page is in a phase of `run-panel.ts`. */
export async function phaseOf(page: Page, phase: string): Promise<void> {
  await page.waitForFunction((wanted) => document.documentElement.dataset.phase === wanted, phase);
}

/** Draws strokes on the pad with the mouse; coordinates are 0 to 1. */
export async function drawStrokes(
  page: Page,
  strokes: readonly (readonly (readonly [number, number])[])[],
): Promise<void> {
  await page.locator("#pad").scrollIntoViewIfNeeded();
  const box = await page.locator("#pad").boundingBox();
  if (box === null) throw new Error("the drawing pad is not on the screen");
  for (const stroke of strokes) {
    for (const [i, [x, y]] of stroke.entries()) {
      await page.mouse.move(box.x + x * box.width, box.y + y * box.height, { steps: i === 0 ? 1 : 4 });
      if (i === 0) await page.mouse.down();
    }
    await page.mouse.up();
  }
}

/** Points of an ellipse around (x, y), closed, drawn from the top. */
export function ellipse(x: number, y: number, a: number, b: number): readonly (readonly [number, number])[] {
  return Array.from({ length: 17 }, (_, i) => {
    const angle = -Math.PI / 2 - (2 * Math.PI * i) / 16;
    return [x + a * Math.cos(angle), y + b * Math.sin(angle)] as const;
  });
}
