/** Draws loss or accuracy by epoch, of one run or of several. */
import { lineChart, type Point, type Series } from "../report/svg.ts";

/** The numbers of an epoch that are drawn. */
export interface CurveRecord {
  readonly epoch: number;
  readonly loss: number;
  readonly accuracy?: number;
  readonly valLoss?: number;
  readonly valAccuracy?: number;
}

export interface CurveRun {
  readonly name: string;
  readonly epochs: readonly CurveRecord[];
}

const percent = (share: number) => `${Number((100 * share).toPrecision(4))} %`;

/**
 * The chart of the accuracy on training and test set where there are classes, else of the losses; for several runs of the test
 * set only. Throws ValueError when there is no epoch.
 */
export function curvePicture(title: string, runs: readonly CurveRun[]): string {
  const records = runs.flatMap(({ epochs }) => epochs);
  const classes = records.some((r) => r.valAccuracy !== undefined || r.accuracy !== undefined);
  const [trained, tested] = classes ? (["accuracy", "valAccuracy"] as const) : (["loss", "valLoss"] as const);
  const curve = (name: string, { epochs }: CurveRun, key: typeof trained | typeof tested): Series => ({
    name,
    points: epochs.flatMap((r): Point[] => (r[key] === undefined ? [] : [[r.epoch, r[key]]])),
  });
  const series = runs.flatMap((run) =>
    runs.length === 1
      ? [curve("training set", run, trained), curve("test set", run, tested)]
      : [curve(run.name, run, records.some((r) => r[tested] !== undefined) ? tested : trained)],
  );
  return lineChart({
    title,
    xLabel: "epoch",
    wholeX: true,
    yLabel: runs.length === 1 ? (classes ? "accuracy" : "loss") : classes ? "test accuracy" : "test loss",
    series: series.filter(({ points }) => points.length > 0),
    ...(classes ? { yTick: percent } : {}),
  });
}
