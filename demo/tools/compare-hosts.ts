/**
 * Compares training in Node and in the page on the same software driver: the losses of the first steps, from a trainer in Node
 * and from the history that the page exports. `npm run compare-hosts`.
 */
import { readFile } from "node:fs/promises";
import type { Page } from "playwright";
import { data, GpuBackend, nn, optim, recipes, Trainer } from "../../src/index.ts";
import { openDawn } from "../../src/node/device/dawn.ts";
import { buildSite, openBrowser, openPage, phaseOf } from "./open-page.ts";
import { serveSite } from "./static-server.ts";

/** Largest relative difference of losses that counts as equal. */
export const TOLERANCE = 1e-5;
const IMAGES = 1280;
const SEED = 7;
export const COMPARED_LINK = `#recipe=lenet5&data=synthetic&images=${IMAGES}&optimizer=adam&rate=0.001&batch=64&epochs=1&seed=${SEED}&conv=auto&device=auto`;

export interface ComparedStep {
  readonly step: number;
  readonly node: number;
  readonly page: number;
  readonly difference: number;
}

/** `page` must be ready with `COMPARED_LINK`. */
export async function compareHosts(page: Page): Promise<readonly ComparedStep[]> {
  await page.click("#train");
  await phaseOf(page, "done");
  const waiting = page.waitForEvent("download");
  await page.click("#csv");
  const [head = "", ...lines] = (await readFile(await (await waiting).path(), "utf8")).trim().split("\r\n");
  const column = head.split(",").indexOf("loss");
  const inPage = lines.map((line) => Number(line.split(",")[column]));
  const inNode = await lossesInNode();
  return inPage.map((loss, i) => {
    const node = inNode[i] ?? Number.NaN;
    return { step: i + 1, node, page: loss, difference: Math.abs(loss - node) / Math.abs(node) };
  });
}

async function lossesInNode(): Promise<readonly number[]> {
  const dawn = await openDawn({ software: true });
  try {
    const trainer = await Trainer.create(await GpuBackend.open(dawn.adapter), {
      model: recipes.lenet5(),
      loss: nn.crossEntropy(),
      optimizer: optim.adam({ learningRate: 0.001 }),
      batchSize: 64,
      seed: SEED,
    });
    const losses: number[] = [];
    const { train } = data.syntheticDigits({ train: IMAGES, test: 1 });
    await trainer.fit(train, {
      epochs: 1,
      onSteps: (_, steps) => void losses.push(...steps.map(({ loss }) => loss)),
    });
    return losses;
  } finally {
    await dawn.close();
  }
}

export async function main(): Promise<number> {
  const site = await serveSite(await buildSite());
  const browser = await openBrowser();
  try {
    const { page } = await openPage(browser, site.url + COMPARED_LINK);
    await phaseOf(page, "ready");
    console.log(`Page: ${await page.textContent("#adapter")}. Node: SwiftShader through Dawn.`);
    const steps = await compareHosts(page);
    console.log("step      loss in Node      loss in the page   relative difference");
    for (const { step, node, page: other, difference } of steps) {
      console.log(
        `${String(step).padStart(4)}${node.toPrecision(9).padStart(18)}${other.toPrecision(9).padStart(22)}${difference.toExponential(1).padStart(22)}`,
      );
    }
    const largest = Math.max(...steps.map(({ difference }) => difference));
    console.log(`Largest relative difference ${largest.toExponential(1)}, allowed ${TOLERANCE}.`);
    return largest <= TOLERANCE ? 0 : 1;
  } finally {
    await browser.close();
    await site.close();
  }
}
