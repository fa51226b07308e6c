/** The built page compared with Node, without WebGPU, with broken links and files, and with the keyboard only. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser, Page } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { COMPARED_LINK, compareHosts, TOLERANCE } from "../../demo/tools/compare-hosts.ts";
import { openBrowser, openPage, phaseOf } from "../../demo/tools/open-page.ts";
import { type Site, serveSite } from "../../demo/tools/static-server.ts";
import { DEMO_SITE } from "../support/demo-setup.ts";

let browser: Browser;
let server: Site;

beforeAll(async () => {
  server = await serveSite(resolve(import.meta.dirname, "../..", DEMO_SITE));
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

it("trains as Node does: the same losses on the same driver", async () => {
  const { page, problems, close } = await openPage(browser, server.url + COMPARED_LINK);
  await phaseOf(page, "ready");
  const steps = await compareHosts(page);
  expect(steps).toHaveLength(20);
  expect(new Set(steps.map(({ page: loss }) => loss)).size).toBe(20);
  for (const { step, difference } of steps) expect(difference, `step ${step}`).toBeLessThanOrEqual(TOLERANCE);
  expect(problems).toEqual([]);
  await close();
});

it("without WebGPU says what to do in this browser, and trains on the CPU reference", async () => {
  const hash = "#recipe=mlp&data=synthetic&images=300&batch=30&epochs=1";
  const { page, problems, close } = await openPage(browser, server.url + hash, {
    before: () => Object.defineProperty(Navigator.prototype, "gpu", { value: undefined }),
  });
  await phaseOf(page, "ready");
  expect(await page.textContent(".notice[role=alert]")).toMatch(
    /WebGPU is not available\. .*chrome:\/\/flags.*trains on the CPU/,
  );
  expect(await page.textContent("#adapter")).toBe("CPU reference, no GPU");
  expect(await page.evaluate(() => location.href)).toContain("device=cpu");
  await page.click("#train");
  await phaseOf(page, "done");
  expect(await page.textContent("#run-status")).toMatch(
    /^Trained: \d+\.\d % of the validation images classified correctly/,
  );
  expect(await page.textContent("#kernels-empty")).toContain("can't measure kernels");
  expect(problems).toEqual([]);
  await close();
});

it("works with the keyboard only, keeps runs for comparison, and survives broken links and files", async () => {
  const hash = "#recipe=mlp&data=synthetic&images=200&batch=20&epochs=1&rate=fast";
  const { page, problems, close } = await openPage(browser, server.url + hash);
  await phaseOf(page, "ready");
  expect(await page.textContent(".notice")).toContain("rate=fast");

  await tabTo(page, "train");
  await page.keyboard.press("Enter");
  await phaseOf(page, "done");
  await tabTo(page, "pad");
  await page.keyboard.press("Space");
  for (let i = 0; i < 12; i++) await page.keyboard.press("ArrowDown");
  await page.waitForFunction(() => document.querySelector("#bars .best") !== null);
  await page.keyboard.press("Delete");
  await page.waitForFunction(() => document.querySelector("#bars .best") === null);

  await page.selectOption("[name=optimizer]", "sgd");
  expect(await page.inputValue("[name=rate]")).toBe("0.01");
  expect(await page.textContent("#reset")).toBe("New run");
  await page.click("#reset");
  await phaseOf(page, "ready");
  expect(await page.evaluate(() => location.href)).toContain("optimizer=sgd&rate=0.01");
  await page.click("#train");
  await phaseOf(page, "done");
  expect(await page.locator("#runs .run-name").allTextContents()).toEqual([
    "mlp, Adam 0.001, batch 20",
    "mlp, SGD 0.01, batch 20",
  ]);
  await page.click("#epochs-details summary");
  await page.waitForFunction(() => document.querySelectorAll("#epochs tbody tr").length === 2);

  await page.fill("[name=batch]", "none");
  await page.keyboard.press("Tab");
  expect(await page.getAttribute("[name=batch]", "aria-invalid")).toBe("true");
  expect(await page.textContent("#form-note")).toBe("Enter a whole number from 1 to 1000.");

  const folder = mkdtempSync(join(tmpdir(), "weft-demo-"));
  const broken = join(folder, "broken.safetensors");
  writeFileSync(broken, "this is no file of weights");
  await page.setInputFiles("#load", broken);
  await page.waitForFunction(() =>
    document.getElementById("weights-note")?.textContent?.startsWith("broken.safetensors:"),
  );
  rmSync(folder, { recursive: true });
  expect(problems).toEqual([]);
  await close();
});

/** Presses Tab until the element with this id has the focus. */
async function tabTo(page: Page, id: string): Promise<void> {
  for (let i = 0; i < 60; i++) {
    if ((await page.evaluate(() => document.activeElement?.id)) === id) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`#${id} can't be reached with Tab`);
}
