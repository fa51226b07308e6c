// Draws cost against batch size and against width as one SVG picture, and finds batch sizes at which an image costs more than at
// the next smaller one.
import { number } from "./format.mjs";
import { widthOf } from "./networks/networks.mjs";

const WIDTH = 460;
const HEIGHT = 320;
const MARGIN = { left: 70, right: 20, top: 40, bottom: 50 };
/** For larger batches, differences in time per image are mostly noise. */
const LAST_BATCH = 256;

const done = ({ problem }) => problem === undefined;
const batches = (items) =>
  items
    .filter((item) => item.kind === "network" && item.network === "lenet5" && done(item))
    .sort((a, b) => a.batch - b.batch);
const widths = (items) =>
  items
    .filter((item) => item.kind === "network" && widthOf(item.network) > 0 && done(item))
    .sort((a, b) => widthOf(a.network) - widthOf(b.network));

/** Sentences for the batch sizes up to 256 at which an image costs more than at the next smaller one. */
export function perImageRises(items) {
  const rows = batches(items).filter(({ batch }) => batch <= LAST_BATCH);
  return rows.slice(1).flatMap((row, i) => {
    const [before, after] = [rows[i].ms / rows[i].batch, row.ms / row.batch];
    return after > before
      ? [`${number(before)} ms per image at batch ${rows[i].batch}, ${number(after)} at ${row.batch}`]
      : [];
  });
}

export function plotSvg({ items, adapter }) {
  const byBatch = batches(items).map(({ batch, ms }) => [batch, ms / batch]);
  const byWidth = widths(items).map(({ network, ms }) => [widthOf(network), ms]);
  const panels = [
    panel("LeNet-5: ms per image against batch size", byBatch, 0),
    panel("MLP 784-width-width-10, batch 64: ms per step against width", byWidth, WIDTH),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${2 * WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/><title>${adapter.description}</title>`,
    ...panels,
    "</svg>\n",
  ].join("\n");
}

/** A line through points on logarithmic axes, each point labelled. */
function panel(title, points, offset) {
  if (points.length < 2) return "";
  const scale = (values, from, to) => {
    const [low, high] = [Math.log(Math.min(...values)), Math.log(Math.max(...values))];
    return (v) => from + ((Math.log(v) - low) / (high - low || 1)) * (to - from);
  };
  const x = scale(
    points.map((p) => p[0]),
    MARGIN.left,
    WIDTH - MARGIN.right - 30,
  );
  const y = scale(
    points.map((p) => p[1]),
    HEIGHT - MARGIN.bottom,
    MARGIN.top + 20,
  );
  const at = points.map((p) => [x(p[0]).toFixed(1), y(p[1]).toFixed(1)]);
  const floor = HEIGHT - MARGIN.bottom + 12;
  const dots = points.flatMap(([where, value], i) => [
    `<circle cx="${at[i][0]}" cy="${at[i][1]}" r="3" fill="#1565c0"/>`,
    `<text x="${at[i][0]}" y="${at[i][1] - 8}" text-anchor="middle">${number(value)}</text>`,
    `<text x="${at[i][0]}" y="${floor + 14}" text-anchor="middle" fill="#555">${where}</text>`,
  ]);
  return [
    `<g transform="translate(${offset} 0)">`,
    `<text x="${MARGIN.left}" y="22">${title}</text>`,
    `<line x1="${MARGIN.left}" y1="${floor}" x2="${WIDTH - MARGIN.right}" y2="${floor}" stroke="#999"/>`,
    `<polyline points="${at.map((p) => p.join()).join(" ")}" fill="none" stroke="#1565c0"/>`,
    ...dots,
    "</g>",
  ].join("\n");
}
