/** The examples in a short form on the device: each trains, learns something and gives its figure and picture. */
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openDevice } from "../../src/node/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { colourImages, houses } from "../support/example-data.ts";

interface Result {
  readonly text: string;
  readonly svg?: string;
}

let device: Backend;
beforeAll(async () => {
  device = await openDevice({ require: "webgpu" });
});
afterAll(() => device.close());

/** Settings of the short form, and the range of the figures of its text. */
const short: Record<string, { settings: () => object; figures: RegExp; within: readonly [number, number] }> =
  {
    "k-fold": {
      settings: () => ({ table: houses(60), folds: 3, epochs: 30 }),
      figures: /^Mean squared error (\S+) /,
      within: [0, 1],
    },
    lookahead: {
      settings: () => ({ rounds: 40 }),
      figures: /^Loss (\S+) with Lookahead/,
      // 0.19 without.
      within: [0, 0.05],
    },
    sam: {
      settings: () => ({ steps: 400 }),
      figures: /^Test loss (\S+) with SAM/,
      // 0.85 without.
      within: [0, 0.65],
    },
    resnet20: {
      settings: () => ({
        train: colourImages(128, 0),
        test: colourImages(64, 128),
        steps: 48,
        batchSize: 16,
        n: 1,
      }),
      figures: /^Test accuracy (\S+) % after 48 steps/,
      within: [30, 100],
    },
  };

const folder = new URL("../../examples/", import.meta.url);
const names = readdirSync(folder)
  .filter((file) => file.endsWith(".js"))
  .map((file) => file.slice(0, -3));

it.each(names)("%s", async (name) => {
  const example = short[name];
  if (example === undefined) throw new Error(`examples/${name}.js has no short form here`);
  const { main } = (await import(`../../examples/${name}.js`)) as { main(settings: object): Promise<Result> };
  const { text, svg } = await main({ device, callbacks: [], ...example.settings() });
  expect(text).toMatch(example.figures);
  const figure = Number(example.figures.exec(text)?.[1]);
  expect(figure).toBeGreaterThanOrEqual(example.within[0]);
  expect(figure).toBeLessThanOrEqual(example.within[1]);
  if (svg !== undefined) expect(svg).toMatch(/^<svg[\s\S]*<\/svg>\s*$/);
});

it.each(names)("%s is at most 80 lines", (name) => {
  expect(
    readFileSync(new URL(`${name}.js`, folder), "utf8")
      .trimEnd()
      .split("\n").length,
  ).toBeLessThanOrEqual(80);
});
