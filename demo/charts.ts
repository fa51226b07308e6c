/** The charts of loss and accuracy of all runs, with one cursor for both. Drawn at most eight times a second. */
import { buckets, bucketWidth, smooth } from "./curve.ts";
import { byId, say } from "./dom.ts";
import { count, loss as lossText, percent } from "./format.ts";
import { type Cursor, type Line, LineChart, type LinePicture } from "./line-chart.ts";
import type { RunLog } from "./run-log.ts";
import { extent, type Scale, scale } from "./scales.ts";
import { onThemeChange, runColour } from "./theme.ts";

const MOST_POINTS = 1200;
const REDRAW_MILLISECONDS = 125;
const METRICS = ["loss", "accuracy"] as const;

type Metric = (typeof METRICS)[number];
type Values = (number | null)[];

interface Curve {
  readonly run: RunLog;
  readonly kind: "raw" | "training" | "validation";
}

interface Curves {
  readonly xs: number[];
  readonly curves: readonly Curve[];
  readonly values: readonly Values[];
}

export class Charts {
  axis: "step" | "epoch" = "step";
  logLoss = false;
  #runs: readonly RunLog[] = [];
  readonly #charts: Record<Metric, LineChart>;
  readonly #drawn: Partial<Record<Metric, Curves>> = {};
  #drawnAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    const make = (metric: Metric) =>
      new LineChart(byId(`${metric}-chart`), (cursor) => this.#point(metric, cursor));
    this.#charts = { loss: make("loss"), accuracy: make("accuracy") };
    onThemeChange(() => {
      for (const metric of METRICS) this.#drawOne(metric);
    });
    const observer = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) {
        METRICS.map((metric) => this.#charts[metric])
          .find(({ host }) => host === target)
          ?.resize(contentRect);
      }
    });
    for (const metric of METRICS) observer.observe(this.#charts[metric].host);
  }

  /** `runs`: all runs; the last one is the current one. */
  show(runs: readonly RunLog[]): void {
    this.#runs = runs;
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, this.#drawnAt + REDRAW_MILLISECONDS - performance.now());
    this.#timer = setTimeout(() => requestAnimationFrame(() => this.#draw()), wait);
  }

  /** The canvas of a chart that has been drawn. */
  canvasOf(metric: Metric): HTMLCanvasElement | undefined {
    return this.#drawn[metric] === undefined ? undefined : this.#charts[metric].canvas;
  }

  #draw(): void {
    this.#timer = undefined;
    this.#drawnAt = performance.now();
    this.#drawOne("loss");
    // In the next frame, so that neither frame takes long.
    requestAnimationFrame(() => this.#drawOne("accuracy"));
  }

  #drawOne(metric: Metric): void {
    const runs = this.#runs.filter((run) => run.visible && run.begun);
    const curves =
      runs.length === 0 ? undefined : this.axis === "step" ? perStep(runs, metric) : perEpoch(runs, metric);
    if (curves === undefined) {
      delete this.#drawn[metric];
      say(byId(`${metric}-readout`), "");
    } else {
      this.#drawn[metric] = curves;
    }
    this.#charts[metric].show(curves === undefined ? undefined : this.#picture(metric, curves));
    this.#writeReadout(metric);
  }

  #picture(metric: Metric, { xs, curves, values }: Curves): LinePicture {
    const logarithmic = metric === "loss" && this.logLoss;
    const [least, most] = extent(values, logarithmic);
    const last = xs.at(-1) ?? 1;
    const y: Scale = logarithmic
      ? scale(least, most, true)
      : metric === "loss"
        ? scale(0, most * 1.05)
        : scale(roundShareBelow(least), 1);
    return {
      xs,
      x: scale(Math.min(xs[0] ?? 0, last - 1), last),
      y,
      lines: curves.map((curve, i) => lineOf(curve, values[i] as Values)),
      xText: short,
      yText: metric === "loss" ? String : (share) => `${Math.round(100 * share)} %`,
    };
  }

  /** Moves the cursor of both charts. Screen readers read out what keys point at. */
  #point(metric: Metric, cursor: Cursor | undefined): void {
    for (const each of METRICS) {
      const spoken = each === metric && cursor !== undefined && "x" in cursor;
      byId(`${each}-readout`).setAttribute("aria-live", spoken ? "polite" : "off");
      this.#charts[each].point(cursor);
      this.#writeReadout(each);
    }
  }

  /** Writes the values under the cursor, or the latest ones, beside the chart's title. */
  #writeReadout(metric: Metric): void {
    const drawn = this.#drawn[metric];
    if (drawn === undefined) return;
    const { xs, curves, values } = drawn;
    const { host, index } = this.#charts[metric];
    const last = this.#runs.findLast((run) => run.visible && run.begun);
    const at = index ?? xs.length - 1;
    const value = (kind: Curve["kind"]): number | undefined => {
      const list = values[curves.findIndex((c) => c.run === last && c.kind === kind)] ?? [];
      // Validation has a value only where an epoch ends, so the latest one before the cursor is shown.
      return list.slice(0, at + 1).findLast((v) => v !== null) ?? undefined;
    };
    const text = (v: number) => (metric === "loss" ? lossText(v) : percent(v));
    const training = value("training");
    const validation = value("validation");
    const parts = [
      training === undefined ? "" : `training ${text(training)}`,
      validation === undefined ? "" : `validation ${text(validation)}`,
    ].filter((part) => part !== "");
    const where = `${this.axis} ${count(xs[at] ?? 0)}`;
    say(byId(`${metric}-readout`), parts.length === 0 ? "" : `${where}: ${parts.join(", ")}`);
    // While there is a cursor, the readout is announced; otherwise the label has the latest values.
    if (index === undefined) {
      const title = metric === "loss" ? "Loss" : "Accuracy";
      host.setAttribute("aria-label", `${title} of the runs. ${parts.join(", ")}`);
    }
  }
}

function perStep(runs: readonly RunLog[], metric: Metric): Curves {
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

function perEpoch(runs: readonly RunLog[], metric: Metric): Curves {
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

function lineOf({ run, kind }: Curve, values: Values): Line {
  const colour = runColour(run.number - 1);
  if (kind === "raw") return { values, colour: `${colour}55`, width: 1 };
  if (kind === "training") return { values, colour, width: 1.75 };
  return { values, colour, width: 1.25, marked: true };
}

/** The largest multiple of 0.1 below `least`, from 0 to 0.9. */
const roundShareBelow = (least: number) => Math.max(0, Math.min(0.9, Math.floor(least * 10) / 10));

const short = (value: number) => (value >= 10_000 ? `${value / 1000}k` : count(value));
