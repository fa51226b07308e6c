/** Parts of the page that need no browser: centring, links, history, curves, advice, formats. */
import { describe, expect, it, test } from "vitest";
import { centreDigit, SIDE } from "../../demo/centre-digit.ts";
import { historyToCsv } from "../../demo/csv.ts";
import { buckets, bucketWidth, GrowingArray, smooth } from "../../demo/curve.ts";
import { loss, percent } from "../../demo/format.ts";
import { networkList } from "../../demo/network-list.ts";
import { networks } from "../../demo/networks.ts";
import { adviceWithoutWebGpu } from "../../demo/no-webgpu.ts";
import { RunLog } from "../../demo/run-log.ts";
import { extent, scale, shareOf, ticks } from "../../demo/scales.ts";
import {
  DEFAULTS,
  LIMITS,
  type Settings,
  sameRun,
  settingsFromHash,
  settingsToHash,
  validationImages,
} from "../../demo/settings.ts";
import { input, nn, recipes } from "../../src/index.ts";

describe("centreDigit", () => {
  /** Ink in a rectangle of a 280x280 pad. */
  const rectangle = (left: number, top: number, width: number, height: number) => {
    const ink = new Float32Array(280 * 280);
    for (let y = top; y < top + height; y++) ink.fill(1, y * 280 + left, y * 280 + left + width);
    return ink;
  };
  const extent = (image: Float32Array) => {
    const inked = [...image.keys()].filter((i) => (image[i] as number) > 0.02);
    const xs = inked.map((i) => i % SIDE);
    const ys = inked.map((i) => Math.floor(i / SIDE));
    return { x: [Math.min(...xs), Math.max(...xs)], y: [Math.min(...ys), Math.max(...ys)] };
  };
  const centreOfMass = (image: Float32Array) => {
    const mass = image.reduce((sum, v) => sum + v, 0);
    const x = image.reduce((sum, v, i) => sum + v * ((i % SIDE) + 0.5), 0) / mass;
    return { x, y: image.reduce((sum, v, i) => sum + v * (Math.floor(i / SIDE) + 0.5), 0) / mass };
  };

  it("scales the longer side to 20 and keeps the proportions, wherever it was drawn", () => {
    for (const [left, top] of [
      [0, 0],
      [170, 30],
      [200, 180],
    ] as const) {
      const image = centreDigit(rectangle(left, top, 40, 100), 280, 280) as Float32Array;
      expect(extent(image)).toEqual({ x: [10, 17], y: [4, 23] });
      expect(Math.max(...image)).toBeCloseTo(1, 5);
    }
    const small = centreDigit(rectangle(100, 100, 20, 5), 280, 280) as Float32Array;
    expect(extent(small)).toMatchObject({ x: [4, 23] });
  });

  it("puts the centre of mass in the middle, to half a pixel", () => {
    // A heavy base: the centre of mass is far from the middle of the box.
    const ink = rectangle(60, 40, 12, 200);
    ink.set(rectangle(60, 225, 100, 15).map((v, i) => Math.max(v, ink[i] as number)));
    const { x, y } = centreOfMass(centreDigit(ink, 280, 280) as Float32Array);
    expect(Math.abs(x - 14)).toBeLessThanOrEqual(0.5);
    expect(Math.abs(y - 14)).toBeLessThanOrEqual(0.5);
  });

  it("keeps everything inside the image when the mass lies at an edge", () => {
    const ink = rectangle(0, 0, 200, 2);
    for (let y = 2; y < 200; y++) ink.fill(1, y * 280 + 198, y * 280 + 200);
    const image = centreDigit(ink, 280, 280) as Float32Array;
    expect(extent(image).x[1]).toBeLessThan(SIDE);
    expect(image.reduce((sum, v) => sum + v, 0)).toBeGreaterThan(5);
  });

  it("averages areas: a grey pad stays as grey, a dot becomes a full square, nothing stays nothing", () => {
    const grey = centreDigit(new Float32Array(280 * 280).fill(0.5), 280, 280) as Float32Array;
    expect([...new Set(grey)].sort()).toEqual([0, 0.5]);
    const dot = centreDigit(rectangle(7, 7, 1, 1), 280, 280) as Float32Array;
    expect(dot.reduce((sum, v) => sum + v, 0)).toBeCloseTo(400, 3);
    expect(centreDigit(new Float32Array(280 * 280), 280, 280)).toBeUndefined();
  });
});

describe("links", () => {
  const odd: Settings = {
    recipe: "mlp",
    data: "synthetic",
    images: 1234,
    optimizer: "sgd",
    rate: 0.05,
    batch: 7,
    epochs: 2,
    seed: 4294967295,
    conv: "im2col",
    device: "cpu",
  };

  it("carry every setting there and back", () => {
    for (const settings of [DEFAULTS, odd]) {
      expect(settingsFromHash(`#${settingsToHash(settings)}`)).toEqual({ settings, ignored: [] });
      expect([...new URLSearchParams(settingsToHash(settings)).keys()]).toEqual(Object.keys(settings));
    }
  });

  it("list what they ignore, and keep the rest", () => {
    const hash =
      "#rate=-1&batch=2.5&seed=&images=1e9&optimizer=toString&data=cifar&recipe=<b>&colour=red&epochs=4";
    const { settings, ignored } = settingsFromHash(hash);
    expect(settings).toEqual({ ...DEFAULTS, epochs: 4 });
    expect(ignored).toHaveLength(8);
    expect(ignored).toContain("optimizer=toString");
  });

  it("accept both ends of every range", () => {
    for (const [key, { least, most }] of Object.entries(LIMITS)) {
      for (const value of [least, most]) {
        expect(settingsFromHash(`#${key}=${value}`).settings).toEqual({ ...DEFAULTS, [key]: value });
      }
    }
  });

  it("describe the same run for any number of epochs", () => {
    expect(sameRun(DEFAULTS, { ...DEFAULTS, epochs: 9 })).toBe(true);
    expect(sameRun(DEFAULTS, { ...DEFAULTS, seed: 2 })).toBe(false);
  });

  it("use a fifth for validation, at most 10,000", () => {
    expect([100, 10_000, 60_000].map(validationImages)).toEqual([20, 2000, 10_000]);
  });
});

describe("history", () => {
  it("becomes a table with a row per step and validation where epochs end", () => {
    const run = new RunLog(2, DEFAULTS, 2);
    run.addSteps(0, Float32Array.of(2.5, 1.25), Float32Array.of(0.125, 0.5));
    run.addEpoch({ step: 2, loss: 1.9, accuracy: 0.3, valLoss: 1.5, valAccuracy: 0.25, seconds: 1 });
    run.addSteps(2, Float32Array.of(0.5), Float32Array.of(0.75));
    const [head, ...rows] = [...historyToCsv([run])].join("").split("\r\n");
    expect(head?.split(",")).toHaveLength(15);
    expect(rows).toEqual([
      "2,lenet5,mnist,60000,adam,0.001,64,1,auto,1,1,2.5,0.125,,",
      "2,lenet5,mnist,60000,adam,0.001,64,1,auto,2,1,1.25,0.5,1.5,0.25",
      "2,lenet5,mnist,60000,adam,0.001,64,1,auto,3,2,0.5,0.75,,",
      "",
    ]);
  });

  it("removes steps that a lost device undoes, and omits steps before loaded weights", () => {
    const run = new RunLog(1, DEFAULTS, 2);
    run.addSteps(0, Float32Array.of(4, 3, 2, 1), new Float32Array(4));
    run.addEpoch({ step: 2, loss: 0, accuracy: 0, valLoss: 0, valAccuracy: 0, seconds: 0 });
    run.addEpoch({ step: 4, loss: 0, accuracy: 0, valLoss: 0, valAccuracy: 0, seconds: 0 });
    run.startAt(3);
    expect([...run.losses.values]).toEqual([4, 3, 2]);
    expect(run.epochs.map(({ epoch }) => epoch)).toEqual([1]);
    const late = new RunLog(1, DEFAULTS, 2);
    late.startAt(2);
    late.addSteps(2, Float32Array.of(1), Float32Array.of(1));
    expect([...historyToCsv([late])].join("").trim().split("\r\n")).toHaveLength(2);
  });
});

describe("curves", () => {
  test("GrowingArray keeps every value when it grows", () => {
    const list = new GrowingArray();
    const all = Float32Array.from({ length: 5000 }, (_, i) => i);
    for (let i = 0; i < all.length; i += 7) list.write(i, all.subarray(i, i + 7));
    expect(list.values).toEqual(all);
  });

  test("buckets are averages, and not more than allowed", () => {
    expect(bucketWidth(1200, 1200)).toBe(1);
    expect(bucketWidth(1201, 1200)).toBe(2);
    expect(bucketWidth(60_000, 1200)).toBe(64);
    expect(buckets([1, 3, 5, Number.NaN, Number.NaN, Number.NaN, 7], 2)).toEqual([2, 5, null, 7]);
  });

  test("smoothing keeps constants and gaps, and has no bias towards zero at the start", () => {
    expect(smooth([3, 3, null, 3])).toEqual([3, 3, null, 3]);
    const noisy = Array.from({ length: 400 }, (_, i) => 1 + (i % 2));
    const calm = smooth(noisy) as number[];
    expect(calm[0]).toBe(1);
    expect(Math.max(...calm.slice(50)) - Math.min(...calm.slice(50))).toBeLessThan(0.2);
  });
});

describe("scales", () => {
  test("ticks are round, inside the range, about as many as wanted, and exact", () => {
    expect(ticks(scale(0, 1), 10)).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]);
    expect(ticks(scale(0, 2.41), 5)).toEqual([0, 0.5, 1, 1.5, 2]);
    expect(ticks(scale(1, 471), 8)).toEqual([100, 200, 300, 400]);
    expect(ticks(scale(0, 1), 4.3)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(ticks(scale(0, 3e-5), 3)).toEqual([0, 1e-5, 2e-5, 3e-5]);
    for (const wanted of [1, 4, 13]) {
      for (const most of [0.07, 3, 938, 93_800]) {
        expect(ticks(scale(0, most), wanted).length).toBeLessThanOrEqual(wanted + 1);
      }
    }
  });

  test("an axis of whole numbers has no other ticks, however short it is", () => {
    expect(ticks(scale(0, 1), 8, true)).toEqual([0, 1]);
    expect(ticks(scale(1, 4), 10, true)).toEqual([1, 2, 3, 4]);
    expect(ticks(scale(0, 10), 4, true)).toEqual([0, 5, 10]);
  });

  test("logarithmic ones are at 1, 2 and 5 of every power of ten, fewer if need be, even where there are none", () => {
    expect(ticks(scale(0.01, 2, true), 10)).toEqual([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2]);
    expect(ticks(scale(0.01, 2, true), 3)).toEqual([0.01, 0.1, 1]);
    expect(ticks(scale(1e-12, 1, true), 4)).toEqual([1e-12, 1e-8, 1e-4, 1]);
    const narrow = ticks(scale(2.2, 2.8, true), 5);
    expect(narrow.length).toBeGreaterThanOrEqual(3);
    for (const value of narrow) expect(Math.abs(value - 2.5)).toBeLessThan(0.7);
  });

  test("values are placed in proportion, and NaN is ignored", () => {
    expect(shareOf(scale(1, 3), 2)).toBe(0.5);
    expect(shareOf({ least: 0.01, most: 1, logarithmic: true }, 0.1)).toBeCloseTo(0.5, 12);
    expect(
      extent([
        [3, null, Number.NaN],
        [Number.POSITIVE_INFINITY, -1],
      ]),
    ).toEqual([-1, 3]);
    expect(extent([[3, 0.5, -1, 0]], true)).toEqual([0.5, 3]);
    expect(extent([[null]])).toEqual([0, 1]);
    const flat = scale(2, 2);
    expect(flat.most).toBeGreaterThan(flat.least);
  });
});

test.each([
  ["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", /Update Firefox/],
  ["Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", /about:config/],
  [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36",
    /chrome:\/\/flags/,
  ],
  [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0.0.0 Safari/537.36",
    /Update this browser/,
  ],
  [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36",
    /hardware acceleration/,
  ],
  [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    /Safari 26/,
  ],
  [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    /iOS 26/,
  ],
  ["curl/8", /recent Chrome/],
])("advice without WebGPU fits %s", (userAgent, advice) => {
  expect(adviceWithoutWebGpu({ userAgent, secure: true, hasApi: false })).toMatch(advice);
  expect(adviceWithoutWebGpu({ userAgent, secure: false, hasApi: false })).toMatch(/https/);
});

test("the page's networks are the library's recipes", () => {
  expect(networkList.map(({ name }) => name)).toEqual(Object.keys(networks));
  for (const { name, dataset, batch, optimizer, rate, parameters } of networkList) {
    const recipe = recipes.recipe(name);
    const model = networks[name] as () => nn.Layer;
    const sizes = [...nn.namedParameters(model()).values()].map(({ size }) => size);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(parameters);
    const shapes = (layer: nn.Layer) =>
      [...nn.namedParameters(layer)].map(([key, { shape }]) => [key, shape]);
    expect(shapes(model())).toEqual(shapes(recipe.model()));
    expect({ dataset, batch, optimizer, rate }).toEqual({
      dataset: recipe.dataset,
      batch: recipe.batchSize,
      optimizer: recipe.optimizer,
      rate: recipe.learningRate,
    });
    // Constants of another value or layers of another kind would show in the answers.
    expect(graphOf(model())).toEqual(graphOf(recipe.model()));
  }
});

/** The ops of a network and their settings. */
function graphOf(model: nn.Layer): unknown[] {
  const steps: unknown[] = [];
  for (let tensor = nn.forward(model, input([1, 1, 28, 28])); ; ) {
    const { op, attrs, inputs } = tensor.node;
    if (inputs.length === 0) return steps;
    steps.push([op.name, attrs, tensor.shape]);
    tensor = inputs[0] as typeof tensor;
  }
}

test("percentages never round to 0 % or 100 %", () => {
  expect([0, 0.5, 0.99951, 0.99999, 1].map((share) => percent(share))).toEqual([
    "0.0 %",
    "50.0 %",
    "99.9 %",
    "99.9 %",
    "100.0 %",
  ]);
  expect([Math.LN10, 0.0231, 0.00012345, Number.NaN].map(loss)).toEqual(["2.303", "0.0231", "0.00012", "–"]);
});
