/** Charts as SVG text: well formed, correct positions, and errors for what can't be drawn. */
import { describe, expect, it } from "vitest";
import { curvePicture } from "../../src/recipes/curves.ts";
import { heatMap, lineChart, scatterPlot, shortNumber } from "../../src/report/svg.ts";
import { ValueError } from "../../src/validation/errors.ts";

/** Names of elements in order, after checking that every tag is closed by its own kind. */
function elements(svg: string): string[] {
  const open: string[] = [];
  const names: string[] = [];
  for (const [, closing, name, rest] of svg.matchAll(/<(\/?)([a-z]+)([^<>]*)>/g)) {
    if (closing === "/") expect(open.pop()).toBe(name);
    else {
      names.push(name as string);
      if (!rest?.endsWith("/")) open.push(name as string);
    }
  }
  expect(open).toEqual([]);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  return names;
}

const numbersOf = (svg: string, tag: string, key: string) =>
  [...svg.matchAll(new RegExp(`<${tag} [^>]*\\b${key}="([-\\d.]+)"`, "g"))].map((m) => Number(m[1]));

const texts = (svg: string) => [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map((m) => m[1]);

describe("lineChart", () => {
  const labels = { xLabel: "step", yLabel: "loss" };

  it("maps points in proportion, the larger y higher up", () => {
    const points = [
      [0, 1],
      [1, 3],
      [4, 2],
    ] as const;
    const svg = lineChart({ title: "t", ...labels, series: [{ name: "a", points }] });
    elements(svg);
    const [line] = [...svg.matchAll(/points="([^"]+)"/g)].map((m) => m[1] as string);
    const places = (line as string).split(" ").map((pair) => pair.split(",").map(Number) as [number, number]);
    const [[x0, y0], [x1, y1], [x2, y2]] = places as [[number, number], [number, number], [number, number]];
    expect((x1 - x0) / (x2 - x0)).toBeCloseTo(1 / 4, 3);
    expect((y0 - y2) / (y0 - y1)).toBeCloseTo(1 / 2, 3);
    expect(y1).toBeLessThan(y0);
  });

  it("draws powers of ten evenly on a logarithmic axis, and refuses 0 there", () => {
    const chart = (ys: readonly number[]) =>
      lineChart({
        title: "t",
        ...labels,
        logY: true,
        series: [{ name: "a", points: ys.map((y, x) => [x, y]) }],
      });
    const svg = chart([0.001, 0.01, 0.1, 1]);
    const ys = numbersOf(svg, "circle", "cy");
    expect((ys[0] as number) - (ys[1] as number)).toBeCloseTo((ys[2] as number) - (ys[3] as number), 1);
    expect(texts(svg)).toEqual(expect.arrayContaining(["0.01", "0.1", "1"]));
    expect(() => chart([1, 0])).toThrow(ValueError);
  });

  it("draws one point, equal values, and names with characters special in XML", () => {
    const series = [
      { name: 'a < "b" & c', points: [[1, 5]] as const },
      { name: "d", points: [[1, 5]] as const },
    ];
    const svg = lineChart({ title: "<&>", ...labels, series });
    expect(elements(svg).filter((name) => name === "circle")).toHaveLength(2);
    expect(svg).toContain("&#60;&#38;&#62;");
  });

  it("refuses charts without points and with NaN", () => {
    expect(() => lineChart({ title: "t", ...labels, series: [] })).toThrow("has no points to draw");
    const points = [[1, Number.NaN]] as const;
    expect(() => lineChart({ title: "t", ...labels, series: [{ name: "a", points }] })).toThrow("1, NaN");
  });
});

it("scatterPlot with a diagonal has one range for both axes", () => {
  const points = [
    [0, 50],
    [50, 0],
    [25, 25],
  ] as const;
  const svg = scatterPlot({
    title: "t",
    xLabel: "x",
    yLabel: "y",
    series: [{ name: "a", points }],
    diagonal: true,
  });
  elements(svg);
  const [xs, ys] = [numbersOf(svg, "circle", "cx"), numbersOf(svg, "circle", "cy")];
  expect((xs[0] as number) + (xs[1] as number)).toBeCloseTo(2 * (xs[2] as number), 1);
  expect((ys[0] as number) + (ys[1] as number)).toBeCloseTo(2 * (ys[2] as number), 1);
  const dashed = /<line x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)" stroke="#888"/.exec(svg);
  const [x1, y1, x2, y2] = (dashed as RegExpExecArray).slice(1).map(Number) as [
    number,
    number,
    number,
    number,
  ];
  // The middle point lies on it.
  expect((y2 - y1) / (x2 - x1)).toBeCloseTo(((ys[2] as number) - y1) / ((xs[2] as number) - x1), 2);
});

it("heatMap: a cell per number, the strongest in full colour, zeros white", () => {
  const svg = heatMap({
    title: "t",
    rows: [
      [0, 2],
      [-1, 1],
    ],
    digits: 1,
  });
  expect(elements(svg).filter((name) => name === "rect")).toHaveLength(5);
  expect(texts(svg)).toEqual(["t", "0.0", "2.0", "-1.0", "1.0"]);
  expect(svg).toContain("rgb(255,255,255)");
  expect(svg).toContain("rgb(194,82,0)");
  expect(() => heatMap({ title: "t", rows: [] })).toThrow(ValueError);
});

it("curvePicture: both sets of one run, the test curves of several", () => {
  const epochs = [1, 2, 3].map((epoch) => ({
    epoch,
    loss: 1 / epoch,
    accuracy: 0.5,
    valLoss: 1,
    valAccuracy: 0.9,
  }));
  const alone = curvePicture("t", [{ name: "adam", epochs }]);
  expect(texts(alone)).toEqual(
    expect.arrayContaining(["training set", "test set", "accuracy", "1", "2", "3"]),
  );
  expect(texts(alone)).not.toContain("1.5");
  const both = curvePicture("t", [
    { name: "adam", epochs },
    { name: "sgd", epochs },
  ]);
  expect(texts(both)).toEqual(expect.arrayContaining(["adam", "sgd", "test accuracy"]));
  const losses = curvePicture("t", [
    { name: "x", epochs: epochs.map(({ epoch, loss, valLoss }) => ({ epoch, loss, valLoss })) },
  ]);
  expect(texts(losses)).toContain("loss");
});

it("shortNumber keeps four significant digits", () => {
  expect([0, 0.12345, 1234.5, 120000, 0.0001].map(shortNumber)).toEqual([
    "0",
    "0.1235",
    "1235",
    "1e5",
    "1e-4",
  ]);
});
