/** Reports: self-contained, read back as written, safe whatever texts they contain; evaluation of classifiers. */
import { describe, expect, it } from "vitest";
import { judge, largest, shares } from "../../src/report/answers.ts";
import { bitmapAddress } from "../../src/report/bitmap.ts";
import { type RunReport, readReport, reportHtml } from "../../src/report/run-report.ts";

const epoch = (n: number) => ({ epoch: n, loss: 1 / n, accuracy: 1 - 0.5 / n, valLoss: 1.1 / n, seconds: 2 });
const run: RunReport = {
  title: 'LeNet-5 <on> "MNIST" & more',
  result: "98.7 % right",
  created: "2026-01-01T00:00:00.000Z",
  settings: { Recipe: "lenet5", Note: "</script><script>alert(1)</script>" },
  environment: { Adapter: "SwiftShader" },
  epochs: [1, 2, 3].map(epoch),
  confusion: {
    classes: ["a", "b"],
    counts: [
      [9, 1],
      [0, 12],
    ],
  },
  filters: [{ width: 2, height: 2, values: [0, 0.5, 1, 2], caption: "0.weight 0" }],
  mistakes: [{ width: 1, height: 1, values: [0, 1, 0.5], caption: "b, is a" }],
  predictions: [
    [1, 2],
    [3, 4],
  ],
  kernels: [
    { label: "conv", milliseconds: 3 },
    { label: "linear", milliseconds: 1 },
  ],
};

describe("reportHtml", () => {
  it("contains everything, loads nothing, and escapes all text", () => {
    const html = reportHtml(run);
    for (const title of [
      "Curves",
      "Confusion",
      "mistakes",
      "Filters",
      "kernel by kernel",
      "Settings",
      "Environment",
    ]) {
      expect(html).toContain(title);
    }
    expect(html.match(/(?:src|href)="(?!data:)[^"]*"/g)).toBeNull();
    expect(html).not.toMatch(/url\(|@import|<link/);
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html).not.toContain("alert(1)</script>");
    expect(html).toContain("75 %");
  });

  it("is read as it was written, also with other runs", () => {
    expect(readReport(reportHtml(run, [run]))).toEqual(run);
  });

  it("draws other runs beside its own", () => {
    const lines = (html: string) => html.match(/<polyline/g)?.length ?? 0;
    const other = { ...run, title: "SGD", epochs: [epoch(1), epoch(4)] };
    expect(lines(reportHtml(run, [other]))).toBe(2 * lines(reportHtml(run)));
    expect(reportHtml(run, [other])).toContain("SGD, test");
  });

  it("omits missing parts, and a loss that is NaN", () => {
    const bare: RunReport = {
      ...run,
      epochs: [
        { epoch: 1, loss: Number.NaN, seconds: 1 },
        { epoch: 2, loss: 1, seconds: 1 },
      ],
    };
    const { confusion: _c, filters: _f, mistakes: _m, predictions: _p, kernels: _k, ...rest } = bare;
    const html = reportHtml(rest);
    expect(html).not.toContain("Confusion matrix");
    expect(html).not.toMatch(/NaN/);
  });

  it.each([
    ["another page", "<html></html>", /x\.html: is not a report of weft/],
    ["a damaged one", reportHtml(run).replace('{"title"', '{"title'), /x\.html: its data can't be read/],
    ["other data", reportHtml(run).replace('{"title"', '{"name"'), /no title/],
  ])("refuses %s", (_name, html, message) => {
    expect(() => readReport(html, "x.html")).toThrow(message);
  });
});

describe("answers", () => {
  it("counts the confusion matrix and sorts mistakes by confidence", () => {
    const rows = [0.9, 0.1, 0.2, 0.8, 0.6, 0.4, 0.3, 0.7];
    const { confusion, correct, mistakes } = judge(rows, [0, 1, 1, 0], 2);
    expect([...confusion]).toEqual([1, 1, 1, 1]);
    expect(correct).toBe(2);
    expect(mistakes.map(({ index, guess }) => [index, guess])).toEqual([
      [3, 1],
      [2, 0],
    ]);
    expect(judge(rows, [1, 0, 1, 0], 2, 1).mistakes).toHaveLength(1);
    expect(largest([3, 3, 1])).toBe(0);
  });

  it("converts logits of any size to probabilities", () => {
    expect([...shares([1e4, 1e4, -1e4, 0, 0, 0], 3)]).toEqual([0.5, 0.5, 0, 1 / 3, 1 / 3, 1 / 3]);
  });
});

describe("bitmapAddress", () => {
  it("is a BMP with rows padded to four bytes and blue first", () => {
    const address = bitmapAddress({ width: 1, height: 2, values: [1, 0, 0.5, 0.5, 0, 7] });
    const bytes = Uint8Array.from(atob(address.slice("data:image/bmp;base64,".length)), (c) =>
      c.charCodeAt(0),
    );
    expect(bytes.length).toBe(54 + 8);
    expect([...bytes.subarray(54)]).toEqual([0, 128, 255, 0, 255, 128, 0, 0]);
  });

  it("refuses the wrong number of values", () => {
    expect(() => bitmapAddress({ width: 2, height: 2, values: [1] })).toThrow(/need 4 or 12 values, got 1/);
  });
});
