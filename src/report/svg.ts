/**
 * Charts as the text of SVG files without scripts, fonts or links. They are strings, so that any host can write or show them.
 */
import { ValueError } from "../validation/errors.ts";
import { checkOptions } from "../validation/options.ts";
import { printable } from "../validation/printable.ts";

export type Point = readonly [x: number, y: number];

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

interface Titled {
  readonly title: string;
  readonly subtitle?: string;
}

export interface LineChartOptions extends Titled {
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
  /** Whether the x axis has ticks at integers only. Default false. */
  readonly wholeX?: boolean;
  /** Default: the range of the points. */
  readonly yRange?: readonly [low: number, high: number];
  /** Whether the y axis is logarithmic; every y must be above 0. Default false. */
  readonly logY?: boolean;
  /** Formats the labels of the y axis. Default: the number. */
  readonly yTick?: (value: number) => string;
}

export interface ScatterPlotOptions extends Titled {
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
  /** Whether y = x is drawn and both axes have the same range. Default false. */
  readonly diagonal?: boolean;
}

export interface HeatMapOptions extends Titled {
  readonly rows: readonly (readonly number[])[];
  /** Decimals of the numbers in the cells. Default 2. */
  readonly digits?: number;
}

const CHART = {
  title: "string",
  subtitle: "string",
  xLabel: "string",
  yLabel: "string",
  series: "array",
} as const;

/** Colours by Okabe and Ito, which people with colour blindness can distinguish. */
export const seriesColors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"] as const;

const WIDTH = 640;
const HEIGHT = 400;
const BOX = { left: 64, right: 616, top: 72, bottom: 344 } as const;

/** A line for each series, with a legend if there are several. Throws ValueError on a chart without points. */
export function lineChart(options: LineChartOptions): string {
  const kinds = { ...CHART, wholeX: "boolean", yRange: "array", logY: "boolean", yTick: "function" } as const;
  const { series, logY = false, yTick = shortNumber } = checkOptions("lineChart", options, kinds);
  const all = pointsOf(options.title, series);
  const y = logY ? (v: number) => Math.log10(v) : (v: number) => v;
  if (logY && all.some(([, v]) => v <= 0)) {
    throw new ValueError(`lineChart ${options.title}: numbers on a logarithmic axis must be above 0`);
  }
  const xs = rangeOf(all.map(([v]) => v));
  const ys = options.yRange ?? padded(rangeOf(all.map(([, v]) => y(v))));
  const xTicks = ticks(xs, options.wholeX ? 1 : 0);
  const yTicks = (logY ? decades(ys) : ticks(ys)).map((v) => [v, yTick(logY ? 10 ** v : v)] as const);
  const place = placer(xs, ys);
  const lines = series.map(({ points }, i) => {
    const path = points.map(([px, py]) => place(px, y(py)).join(",")).join(" ");
    const dots =
      points.length > 40 ? "" : points.map(([px, py]) => dot(place(px, y(py)), colorOf(i), 2.5)).join("");
    return `<polyline points="${path}" fill="none" stroke="${colorOf(i)}" stroke-width="2" stroke-linejoin="round"/>${dots}`;
  });
  return svg(options, [axes(options, place, xTicks, yTicks), ...lines, legend(series)]);
}

/** A dot for each point. Throws ValueError on a chart without points. */
export function scatterPlot(options: ScatterPlotOptions): string {
  checkOptions("scatterPlot", options, { ...CHART, diagonal: "boolean" });
  const { series, diagonal = false } = options;
  const all = pointsOf(options.title, series);
  let xs = padded(rangeOf(all.map(([v]) => v)));
  let ys = padded(rangeOf(all.map(([, v]) => v)));
  if (diagonal) {
    xs = [Math.min(xs[0], ys[0]), Math.max(xs[1], ys[1])];
    ys = xs;
  }
  const place = placer(xs, ys);
  const yTicks = ticks(ys).map((v) => [v, shortNumber(v)] as const);
  const line = diagonal
    ? segment(place(xs[0], xs[0]), place(xs[1], xs[1]), 'stroke="#888" stroke-dasharray="4 4"')
    : "";
  const dots = series.map(({ points }, i) =>
    points.map(([px, py]) => dot(place(px, py), colorOf(i), 3, 0.65)).join(""),
  );
  return svg(options, [axes(options, place, ticks(xs), yTicks), line, ...dots, legend(series)]);
}

/** A matrix as coloured cells with numbers: blue below 0, orange above, white at 0. Throws ValueError on an empty one. */
export function heatMap(options: HeatMapOptions): string {
  const kinds = { title: "string", subtitle: "string", rows: "array", digits: "number" } as const;
  const { title, subtitle, rows, digits = 2 } = checkOptions("heatMap", options, kinds);
  const columns = rows[0]?.length ?? 0;
  if (columns === 0) throw new ValueError(`heatMap ${title}: has no points to draw`);
  const most = Math.max(...rows.flat().map(Math.abs)) || 1;
  const size = Math.min(64, Math.floor(480 / Math.max(columns, rows.length)));
  const [left, top] = [32, 72];
  const cells = rows.flatMap((row, r) =>
    row.map((value, c) => {
      const [x, y] = [left + c * size, top + r * size];
      const { fill, ink } = diverging(value / most);
      const label = `<text x="${x + size / 2}" y="${y + size / 2 + 4}" text-anchor="middle" fill="${ink}">${value.toFixed(digits)}</text>`;
      return `<rect x="${x}" y="${y}" width="${size}" height="${size}" fill="${fill}"/>${size >= 40 ? label : ""}`;
    }),
  );
  const [width, height] = [Math.max(320, columns * size + 2 * left), rows.length * size + top + 24];
  return svg({ title, ...(subtitle === undefined ? {} : { subtitle }) }, cells, width, height);
}

function diverging(value: number): { fill: string; ink: string } {
  const share = Math.abs(value);
  const full = value < 0 ? [0, 84, 140] : [194, 82, 0];
  const mix = full.map((channel) => Math.round(255 + (channel - 255) * share));
  return { fill: `rgb(${mix.join(",")})`, ink: share > 0.7 ? "#fff" : "#222" };
}

function pointsOf(title: string, series: readonly Series[]): Point[] {
  const all = series.flatMap(({ points }) => points);
  if (all.length === 0) throw new ValueError(`chart ${title}: has no points to draw`);
  const bad = all.find((point) => !point.every(Number.isFinite));
  if (bad !== undefined) throw new ValueError(`chart ${title}: can't draw the point ${bad.join(", ")}`);
  return all;
}

type Range = readonly [low: number, high: number];
type Placer = (x: number, y: number) => Point;

function rangeOf(values: readonly number[]): Range {
  const [low, high] = values.reduce<[number, number]>(
    ([a, b], v) => [Math.min(a, v), Math.max(b, v)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

const padded = ([low, high]: Range): Range => [low - (high - low) * 0.04, high + (high - low) * 0.04];

function placer([x0, x1]: Range, [y0, y1]: Range): Placer {
  const { left, right, top, bottom } = BOX;
  return (x, y) => [
    round(left + ((x - x0) / (x1 - x0)) * (right - left)),
    round(bottom - ((y - y0) / (y1 - y0)) * (bottom - top)),
  ];
}

const round = (value: number) => Math.round(value * 100) / 100;

/** At most nine round numbers, at intervals of 1, 2 or 5 times a power of ten and at least `least`. */
function ticks([low, high]: Range, least = 0): number[] {
  const power = 10 ** Math.floor(Math.log10((high - low) / 8));
  const steps = [1, 2, 5, 10].map((n) => Math.max(n * power, least));
  const step = steps.find((s) => (high - low) / s <= 8) ?? 10 * power;
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(count, 0) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Powers of ten in the range, or `ticks` where there are fewer than two. */
function decades(range: Range): number[] {
  const first = Math.ceil(range[0]);
  const whole = Array.from({ length: Math.max(0, Math.floor(range[1]) - first + 1) }, (_, i) => first + i);
  return whole.length >= 2 ? whole : ticks(range);
}

/** At most four significant digits. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (value !== 0 && (size >= 1e5 || size < 1e-3)) return value.toExponential(0).replace("e+", "e");
  return String(Number(value.toPrecision(4)));
}

function axes(
  { xLabel, yLabel }: { readonly xLabel: string; readonly yLabel: string },
  place: Placer,
  xTicks: readonly number[],
  yTicks: readonly (readonly [number, string])[],
): string {
  const { left, right, top, bottom } = BOX;
  const parts: string[] = [];
  for (const [value, text] of yTicks) {
    const [, y] = place(0, value);
    if (y > bottom + 0.5 || y < top - 0.5) continue;
    parts.push(segment([left, y], [right, y], 'stroke="#e4e4e4"'));
    parts.push(`<text x="${left - 8}" y="${y + 4}" text-anchor="end">${escaped(text)}</text>`);
  }
  for (const value of xTicks) {
    const [x] = place(value, 0);
    if (x < left - 0.5 || x > right + 0.5) continue;
    parts.push(segment([x, bottom], [x, bottom + 5], 'stroke="#666"'));
    parts.push(
      `<text x="${x}" y="${bottom + 20}" text-anchor="middle">${escaped(shortNumber(value))}</text>`,
    );
  }
  parts.push(segment([left, bottom], [right, bottom], 'stroke="#666"'));
  parts.push(
    `<text x="${(left + right) / 2}" y="${bottom + 42}" text-anchor="middle">${escaped(xLabel)}</text>`,
  );
  const middle = (top + bottom) / 2;
  parts.push(
    `<text x="16" y="${middle}" text-anchor="middle" transform="rotate(-90 16 ${middle})">${escaped(yLabel)}</text>`,
  );
  return parts.join("");
}

/** A row above the chart, right-aligned. */
function legend(series: readonly Series[]): string {
  if (series.length < 2) return "";
  const widths = series.map(({ name }) => 26 + name.length * 6.6 + 14);
  let x = BOX.right - widths.reduce((sum, w) => sum + w, 0) + 14;
  return series
    .map(({ name }, i) => {
      const at = round(x);
      x += widths[i] as number;
      const mark = `<rect x="${at}" y="${BOX.top - 22}" width="18" height="4" rx="2" fill="${colorOf(i)}"/>`;
      return `${mark}<text x="${at + 24}" y="${BOX.top - 16}">${escaped(name)}</text>`;
    })
    .join("");
}

const colorOf = (i: number) => seriesColors[i % seriesColors.length] as string;

function dot([x, y]: Point, color: string, radius: number, opacity = 1): string {
  const faint = opacity < 1 ? ` fill-opacity="${opacity}"` : "";
  return `<circle cx="${x}" cy="${y}" r="${radius}" fill="${color}"${faint}/>`;
}

function segment([x1, y1]: Point, [x2, y2]: Point, style: string): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" ${style}/>`;
}

function svg({ title, subtitle }: Titled, parts: readonly string[], width = WIDTH, height = HEIGHT): string {
  const under = subtitle === undefined ? "" : `<text x="24" y="50" fill="#555">${escaped(subtitle)}</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="12" fill="#222">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="24" y="30" font-size="15" font-weight="600">${escaped(title)}</text>`,
    under,
    ...parts,
    "</svg>\n",
  ]
    .filter((part) => part !== "")
    .join("\n");
}

/** `text` with the characters escaped that have a meaning in XML. */
export function escaped(text: string): string {
  return printable(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}
