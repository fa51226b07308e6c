/**
 * The report of a run as one HTML file: settings, curves, confusion matrix, filters, mistakes, time per kernel, environment. The
 * file contains the run's data, so that later reports can draw its curves beside theirs.
 */
import { FormatError } from "../validation/errors.ts";
import { Fields } from "../validation/json-fields.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { printable } from "../validation/printable.ts";
import { bitmapAddress, type Pixels } from "./bitmap.ts";
import { escaped, lineChart, type Point, type Series, scatterPlot, shortNumber } from "./svg.ts";

/** The numbers of an epoch that are drawn. */
export interface ReportEpoch {
  readonly epoch: number;
  readonly loss: number;
  readonly accuracy?: number;
  readonly valLoss?: number;
  readonly valAccuracy?: number;
  readonly learningRate?: number;
  readonly gradientNorm?: number;
  readonly seconds: number;
}

export interface ReportPicture extends Pixels {
  readonly caption: string;
}

/** Text that a language model has generated after a number of steps. */
export interface ReportSample {
  readonly step: number;
  readonly text: string;
}

export interface RunReport {
  readonly title: string;
  /** One line under the title. */
  readonly result: string;
  /** Time of creation, ISO 8601. */
  readonly created: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
  readonly epochs: readonly ReportEpoch[];
  /** Rows are true classes, columns predicted ones. */
  readonly confusion?: {
    readonly classes: readonly string[];
    readonly counts: readonly (readonly number[])[];
  };
  readonly filters?: readonly ReportPicture[];
  readonly mistakes?: readonly ReportPicture[];
  /** For regression: true and predicted value of each sample. */
  readonly predictions?: readonly Point[];
  /** Of a language model: the loss is in nats per character. */
  readonly samples?: readonly ReportSample[];
  /** Time of the kernels of one training step, by the adapter's clock. */
  readonly kernels?: readonly { readonly label: string; readonly milliseconds: number }[];
}

const RUN = {
  title: "string",
  result: "string",
  created: "string",
  settings: "object",
  environment: "object",
  epochs: "array",
  confusion: "object",
  filters: "array",
  mistakes: "array",
  predictions: "array",
  samples: "array",
  kernels: "array",
} as const satisfies OptionKinds<RunReport>;

/** What is drawn of another run. */
export type OtherRun = Pick<RunReport, "title"> & {
  readonly epochs: readonly Omit<ReportEpoch, "seconds">[];
};

/** Version of the data in a report. */
const FORMAT = 1;
const DRAWN = ["accuracy", "valLoss", "valAccuracy", "learningRate", "gradientNorm", "seconds"];
const DATA = '<script type="application/json" id="run">';

/** The report of `run` as HTML, with the curves of `others` for comparison. Throws ValueError on a run without epochs. */
export function reportHtml(run: RunReport, others: readonly OtherRun[] = []): string {
  checkOptions("reportHtml", run, RUN);
  const sections = [
    section("Curves", `<div class="charts">${curves(run, others).join("")}</div>`),
    run.samples && section("Generated text", samples(run.samples)),
    run.predictions && section("Predictions", predictionChart(run.predictions)),
    run.confusion && section("Confusion matrix", confusionTable(run.confusion)),
    run.mistakes && section("Most confident mistakes", pictures(run.mistakes, "mistakes")),
    run.filters && section("Filters of the first layer", pictures(run.filters, "filters")),
    run.kernels && section("Time of one step, kernel by kernel", kernelTable(run.kernels)),
    section("Settings", definitions(run.settings)),
    section("Environment", definitions(run.environment)),
  ].filter((part) => part !== undefined);
  // "</" would end the script element.
  const data = printable(JSON.stringify({ ...run, format: FORMAT })).replaceAll("<", "\\u003c");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(run.title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>${escaped(run.title)}</h1><p>${escaped(run.result)}</p></header>
<main>${sections.join("\n")}</main>
<footer>Weft, ${escaped(run.created)}</footer>
${DATA}${data}</script>
</body>
</html>
`;
}

/** The run in a report that `reportHtml` made. Throws FormatError, naming `file`, on any other text. */
export function readReport(html: string, file = "report"): RunReport {
  const from = html.indexOf(DATA);
  const to = html.indexOf("</script>", from);
  if (from < 0 || to < 0)
    throw new FormatError(`${file}: is not a report of weft: it contains no data of a run`);
  const run = Fields.parse(html.slice(from + DATA.length, to), `${file}: its data can't be read`);
  run.format(FORMAT);
  run.text("title");
  run.objects("epochs", (epoch) => {
    epoch.whole("epoch");
    epoch.number("loss");
    for (const name of DRAWN) epoch.optional(name, (n) => epoch.number(n));
  });
  const { format: _, ...values } = run.values;
  return values as unknown as RunReport;
}

const section = (title: string, body: string) => `<section><h2>${escaped(title)}</h2>${body}</section>`;
const percent = (share: number) => `${Number((100 * share).toPrecision(4))} %`;

function curves(run: RunReport, others: readonly OtherRun[]): string[] {
  type Key = Exclude<keyof ReportEpoch, "epoch" | "seconds">;
  const runs = [run, ...others];
  const chart = (title: string, keys: readonly (readonly [Key, string])[], percents = false) => {
    const series = runs.flatMap(({ title: of, epochs }, i) =>
      keys.map(
        ([key, name]): Series => ({
          name: runs.length === 1 ? name : `${i === 0 ? "this" : of}${keys.length > 1 ? `, ${name}` : ""}`,
          points: epochs.flatMap((e): Point[] => {
            const value = e[key];
            return value !== undefined && Number.isFinite(value) ? [[e.epoch, value]] : [];
          }),
        }),
      ),
    );
    const drawn = series.filter(({ points }) => points.length > 0);
    if (drawn.length === 0) return "";
    return lineChart({
      title,
      xLabel: "epoch",
      yLabel: "",
      wholeX: true,
      series: drawn,
      ...(percents ? { yTick: percent } : {}),
    });
  };
  return [
    chart("Loss", [
      ["loss", "training"],
      ["valLoss", "test"],
    ]),
    chart(
      "Accuracy",
      [
        ["accuracy", "training"],
        ["valAccuracy", "test"],
      ],
      true,
    ),
    chart("Learning rate", [["learningRate", "learning rate"]]),
    chart("Gradient norm", [["gradientNorm", "gradient norm"]]),
  ].filter((svg) => svg !== "");
}

function predictionChart(points: readonly Point[]): string {
  const series = [{ name: "test samples", points }];
  return scatterPlot({
    title: "Predictions against truth",
    xLabel: "truth",
    yLabel: "prediction",
    series,
    diagonal: true,
  });
}

function confusionTable({ classes, counts }: NonNullable<RunReport["confusion"]>): string {
  const head = classes.map((name) => `<th scope="col">${escaped(name)}</th>`).join("");
  const rows = counts.map((row, truth) => {
    const total = Math.max(
      1,
      row.reduce((sum, n) => sum + n, 0),
    );
    const cells = row.map((n, guess) => {
      const hue = guess === truth ? "0, 114, 178" : "213, 94, 0";
      const share = n / total;
      // A single mistake in a thousand shall be seen, too.
      const shade = n === 0 ? 0 : guess === truth ? 0.15 + 0.6 * share : Math.min(0.85, 0.12 + 3 * share);
      return `<td style="background: rgba(${hue}, ${shade.toFixed(2)})">${n === 0 ? "" : n}</td>`;
    });
    return `<tr><th scope="row">${escaped(classes[truth] ?? String(truth))}</th>${cells.join("")}</tr>`;
  });
  return `<div class="scroll"><table class="confusion"><caption>Rows: truth. Columns: answer.</caption>
<thead><tr><td></td>${head}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

function pictures(list: readonly ReportPicture[], kind: string): string {
  const figures = list.map(
    (picture) =>
      `<figure><img src="${bitmapAddress(picture)}" alt="${escaped(picture.caption)}"><figcaption>${escaped(picture.caption)}</figcaption></figure>`,
  );
  return `<div class="pictures ${kind}">${figures.join("")}</div>`;
}

function samples(list: readonly ReportSample[]): string {
  const texts = list.map(
    ({ step, text }) =>
      `<figure><figcaption>After step ${step}</figcaption><pre>${escaped(text)}</pre></figure>`,
  );
  return `<div class="samples">${texts.join("")}</div>`;
}

function kernelTable(kernels: NonNullable<RunReport["kernels"]>): string {
  const total = kernels.reduce((sum, { milliseconds }) => sum + milliseconds, 0) || 1;
  const most = Math.max(...kernels.map(({ milliseconds }) => milliseconds)) || 1;
  const rows = [...kernels]
    .sort((a, b) => b.milliseconds - a.milliseconds)
    .map(({ label, milliseconds }) => {
      const share = `${((100 * milliseconds) / total).toFixed(1)} %`;
      const bar = `<div class="bar" style="width: ${((100 * milliseconds) / most).toFixed(1)}%"></div>`;
      return `<tr><th scope="row">${escaped(label)}</th><td>${shortNumber(milliseconds)} ms</td><td>${share}</td><td class="bars">${bar}</td></tr>`;
    });
  return `<div class="scroll"><table class="kernels"><tbody>${rows.join("")}</tbody></table></div>`;
}

function definitions(entries: Readonly<Record<string, string>>): string {
  const rows = Object.entries(entries).map(
    ([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`,
  );
  return `<dl>${rows.join("")}</dl>`;
}

const STYLE = `
:root { color-scheme: light; font: 16px/1.5 system-ui, sans-serif; color: #1d2330; background: #f5f6f8; }
body { margin: 0 auto; max-width: 82rem; padding: 2rem clamp(1rem, 4vw, 3rem); }
h1 { margin: 0; font-size: 1.7rem; letter-spacing: -0.01em; }
header p { margin: 0.3rem 0 1.6rem; color: #535c6d; }
section { background: #fff; border: 1px solid #e3e6eb; border-radius: 10px; padding: 1.1rem 1.3rem 1.3rem; margin-bottom: 1.2rem; }
h2 { margin: 0 0 0.8rem; font-size: 1.05rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
svg { width: 100%; max-width: 44rem; height: auto; }
.samples figure { margin: 0 0 1rem; }
.samples pre { margin: 0.2rem 0 0; white-space: pre-wrap; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.88rem; }
caption { text-align: left; color: #535c6d; padding-bottom: 0.5rem; }
.confusion td, .confusion th { min-width: 2.6rem; padding: 0.3rem 0.4rem; text-align: center; }
.confusion th[scope="row"] { text-align: right; }
.kernels { width: 100%; }
.kernels th { text-align: left; font-weight: 500; padding: 0.15rem 1rem 0.15rem 0; white-space: nowrap; }
.kernels td { text-align: right; padding: 0.15rem 0.6rem; white-space: nowrap; }
.kernels .bars { width: 50%; min-width: 8rem; }
.bar { height: 0.6rem; min-width: 1px; border-radius: 3px; background: #0072b2; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(6.2rem, 28%), 1fr)); gap: 0.9rem; }
figure { margin: 0; }
figure img { width: 100%; image-rendering: pixelated; border-radius: 4px; border: 1px solid #e3e6eb; box-sizing: border-box; display: block; }
figcaption { font-size: 0.78rem; color: #535c6d; margin-top: 0.25rem; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: 0.25rem 1.4rem; margin: 0; font-size: 0.92rem; }
dt { color: #535c6d; }
dd { margin: 0; overflow-wrap: anywhere; }
footer { color: #535c6d; font-size: 0.85rem; }
@media print { section { break-inside: avoid; } }
`.trim();
