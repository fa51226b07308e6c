/** The examples in a short form on the device: each trains, learns something and gives its figure and picture. */
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { openDevice } from "../../src/node/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { colourImages, eightByEight, houses, seeded } from "../support/example-data.ts";

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
    transfer: {
      settings: () => ({ ...syntheticDigits({ train: 800, test: 200 }), epochs: 5, few: 300 }),
      figures: /unfrozen (\S+) %/,
      within: [40, 100],
    },
    siamese: {
      settings: () => ({ set: eightByEight(200), epochs: 10, pairs: 600, random: seeded() }),
      figures: /^Nearest neighbour: (\S+) %/,
      within: [80, 100],
    },
    "two-inputs": {
      settings: () => ({ epochs: 20, count: 1024, random: seeded() }),
      figures: /^Height to (\S+), snow/,
      within: [0, 0.2],
    },
    unet: {
      settings: () => ({ epochs: 12, count: 160, size: 16, random: seeded() }),
      figures: /^Intersection over union (\S+):/,
      within: [0.2, 1],
    },
    gan: {
      settings: () => ({ steps: 600, random: seeded() }),
      figures: /^(\d) of 8 clusters/,
      within: [4, 8],
    },
    reinforce: {
      settings: () => ({ episodes: 60, random: seeded(), log: () => undefined }),
      figures: /^Mean of the last 20 episodes: (\S+) steps/,
      within: [40, 200],
    },
    lstm: {
      settings: () => ({ epochs: 14, count: 512, random: seeded() }),
      figures: /^(\S+) % of new/,
      within: [30, 100],
    },
    stream: {
      settings: () => ({ steps: 600, random: seeded() }),
      figures: /at the end (\S+)$/,
      within: [0, 0.2],
    },
    vae: {
      settings: () => ({ ...syntheticDigits({ train: 300, test: 100 }), epochs: 30, batchSize: 20 }),
      figures: /^Lower bound (\S+) nats/,
      within: [-300, -50],
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
