/** Loss and accuracy of all runs, two charts with one cursor. Drawn at most eight times a second, whatever comes in. */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { buckets, bucketWidth, smooth } from "./curve.ts";
import { byId, say } from "./dom.ts";
import type { RunLog } from "./run-log.ts";
import { colour, onThemeChange, runColour } from "./theme.ts";
import { count, loss as lossText, percent } from "./words.ts";

const MOST_POINTS = 1200;
const REDRAW_MILLISECONDS = 125;

type Metric = "loss" | "accuracy";
type Values = (number | null)[];

interface Curve {
  readonly run: RunLog;
  readonly kind: "raw" | "training" | "validation";
}

interface Picture {
  readonly xs: number[];
  readonly curves: readonly Curve[];
  readonly values: readonly Values[];
}

export class Charts {
  axis: "step" | "epoch" = "step";
  logLoss = false;
  #runs: readonly RunLog[] = [];
  readonly #sizes: Record<Metric, Size> = { loss: atLeast(), accuracy: atLeast() };
  #drawn: Partial<Record<Metric, { plot: uPlot; key: string; picture: Picture }>> = {};
  #drawnAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    onThemeChange(() => {
      for (const drawn of Object.values(this.#drawn)) drawn.plot.redraw(false);
    });
    const observer = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) {
        const metric = target.id === "loss-chart" ? "loss" : "accuracy";
        this.#sizes[metric] = atLeast(contentRect);
        this.#drawn[metric]?.plot.setSize(this.#sizes[metric]);
      }
    });
    for (const metric of ["loss", "accuracy"] as const) observer.observe(byId(`${metric}-chart`));
  }

  /** `runs`: all there are; the last one is under way. */
  show(runs: readonly RunLog[]): void {
    this.#runs = runs;
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, this.#drawnAt + REDRAW_MILLISECONDS - performance.now());
    this.#timer = setTimeout(() => requestAnimationFrame(() => this.#draw()), wait);
  }

  /** The canvas of a chart that has been drawn. */
  canvasOf(metric: Metric): HTMLCanvasElement | undefined {
    return this.#drawn[metric]?.plot.ctx.canvas;
  }

  #draw(): void {
    this.#timer = undefined;
    this.#drawnAt = performance.now();
    this.#drawOne("loss");
    // In a frame of its own, so that neither frame takes long.
    requestAnimationFrame(() => this.#drawOne("accuracy"));
  }

  #drawOne(metric: Metric): void {
    const runs = this.#runs.filter((run) => run.visible && run.begun);
    if (runs.length === 0) {
      this.#drawn[metric]?.plot.destroy();
      delete this.#drawn[metric];
      say(byId(`${metric}-readout`), "");
      return;
    }
    const picture = this.axis === "step" ? perStep(runs, metric) : perEpoch(runs, metric);
    const key = JSON.stringify([
      this.axis,
      metric === "loss" && this.logLoss,
      picture.curves.map(({ run, kind }) => [run.number, kind]),
    ]);
    const data = [picture.xs, ...picture.values] as uPlot.AlignedData;
    const known = this.#drawn[metric];
    if (known?.key === key) {
      known.picture = picture;
      known.plot.setData(data);
    } else {
      known?.plot.destroy();
      const drawn = { plot: this.#make(metric, picture, data), key, picture };
      this.#drawn[metric] = drawn;
    }
    this.#tell(metric);
  }

  #make(metric: Metric, picture: Picture, data: uPlot.AlignedData): uPlot {
    const axis = {
      stroke: () => colour("--muted"),
      grid: { stroke: () => colour("--line"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui, sans-serif",
      gap: 6,
    };
    const logarithmic = metric === "loss" && this.logLoss;
    const options: uPlot.Options = {
      ...this.#sizes[metric],
      padding: [8, 10, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: "weft" }, points: { size: 7 } },
      scales: {
        x: { time: false, range: (_, least, most) => [Math.min(least, most - 1), most] },
        y: logarithmic
          ? { distr: 3 }
          : { range: (_, least, most) => (metric === "loss" ? [0, most * 1.05] : shares(least)) },
      },
      axes: [
        {
          ...axis,
          size: 28,
          space: 60,
          values: (_, ticks) => ticks.map((t) => (Number.isInteger(t) ? short(t) : "")),
        },
        {
          ...axis,
          size: 46,
          space: 36,
          values: (_, ticks) =>
            ticks.map((t) => (t === null ? "" : metric === "loss" ? String(t) : `${Math.round(100 * t)} %`)),
        },
      ],
      series: [{}, ...picture.curves.map(seriesOf)],
      hooks: { setCursor: [() => this.#tell(metric)] },
    };
    return new uPlot(options, data, byId(`${metric}-chart`));
  }

  /** Writes the values under the cursor, or the latest ones, beside the chart's title. */
  #tell(metric: Metric): void {
    const drawn = this.#drawn[metric];
    if (drawn === undefined) return;
    const { plot, picture } = drawn;
    const last = this.#runs.findLast((run) => run.visible && run.begun);
    const at = plot.cursor.idx ?? picture.xs.length - 1;
    const value = (kind: Curve["kind"]): number | undefined => {
      const curve = picture.curves.findIndex((c) => c.run === last && c.kind === kind);
      const values = picture.values[curve] ?? [];
      // Validation has a value only where an epoch ends: the one that was known by then.
      for (let i = Math.min(at, values.length - 1); i >= 0; i--) {
        const found = values[i];
        if (found !== null && found !== undefined) return found;
      }
      return undefined;
    };
    const text = (v: number) => (metric === "loss" ? lossText(v) : percent(v));
    const training = value("training");
    const validation = value("validation");
    const where = `${this.axis} ${count(picture.xs[at] ?? 0)}`;
    const parts = [
      training === undefined ? "" : `training ${text(training)}`,
      validation === undefined ? "" : `validation ${text(validation)}`,
    ].filter((part) => part !== "");
    say(byId(`${metric}-readout`), parts.length === 0 ? "" : `${where}: ${parts.join(", ")}`);
    const chart = byId(`${metric}-chart`);
    const label = `${metric === "loss" ? "Loss" : "Accuracy"} of ${picture.curves.length === 0 ? "no run yet" : "the runs"}. ${parts.join(", ")}`;
    // The cursor is for the eye; who listens hears the latest values.
    if (plot.cursor.idx === null || plot.cursor.idx === undefined) chart.setAttribute("aria-label", label);
  }
}

function perStep(runs: readonly RunLog[], metric: Metric): Picture {
  const length = Math.max(0, ...runs.map((run) => run.steps));
  const width = bucketWidth(length, MOST_POINTS);
  const xs = Array.from({ length: Math.ceil(length / width) }, (_, b) => Math.min(length, (b + 1) * width));
  const curves: Curve[] = [];
  const values: Values[] = [];
  runs.forEach((run, i) => {
    const raw = buckets((metric === "loss" ? run.losses : run.accuracies).values, width);
    if (i === runs.length - 1) {
      curves.push({ run, kind: "raw" });
      values.push(padded(raw, xs.length));
    }
    curves.push({ run, kind: "training" }, { run, kind: "validation" });
    const validation: Values = new Array(xs.length).fill(null);
    for (const point of run.epochs) {
      const at = Math.min(xs.length, Math.ceil(point.step / width)) - 1;
      validation[at] = metric === "loss" ? point.valLoss : point.valAccuracy;
    }
    values.push(padded(smooth(raw), xs.length), validation);
  });
  return { xs, curves, values };
}

function perEpoch(runs: readonly RunLog[], metric: Metric): Picture {
  const length = Math.max(0, ...runs.flatMap((run) => run.epochs.map(({ epoch }) => epoch)));
  const xs = Array.from({ length }, (_, i) => i + 1);
  const at = (run: RunLog, epoch: number) => run.epochs.find((point) => point.epoch === epoch);
  return {
    xs,
    curves: runs.flatMap((run) => [
      { run, kind: "training" as const },
      { run, kind: "validation" as const },
    ]),
    values: runs.flatMap((run) => [
      xs.map((epoch) => at(run, epoch)?.[metric] ?? null),
      xs.map((epoch) => at(run, epoch)?.[metric === "loss" ? "valLoss" : "valAccuracy"] ?? null),
    ]),
  };
}

const padded = (values: Values, length: number): Values => [
  ...values,
  ...new Array(length - values.length).fill(null),
];

function seriesOf({ run, kind }: Curve): uPlot.Series {
  const stroke = () => runColour(run.number - 1);
  if (kind === "raw") return { stroke: () => `${stroke()}55`, width: 1, points: { show: false } };
  if (kind === "training") {
    return { stroke, width: 1.75, points: { show: (_, __, first, last) => first === last } };
  }
  return {
    stroke,
    width: 1.25,
    dash: [5, 4],
    spanGaps: true,
    points: { show: true, size: 7, width: 1.5, stroke, fill: () => colour("--panel") },
  };
}

/** From a round share below the least value up to all. */
function shares(least: number): [number, number] {
  return [Math.max(0, Math.min(0.9, Math.floor(least * 10) / 10)), 1];
}

const short = (value: number) => (value >= 10_000 ? `${value / 1000}k` : count(value));

interface Size {
  readonly width: number;
  readonly height: number;
}

function atLeast({ width, height }: Size = { width: 0, height: 0 }): Size {
  return { width: Math.max(120, Math.floor(width)), height: Math.max(120, Math.floor(height)) };
}
