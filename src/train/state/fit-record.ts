/**
 * What a run of `fit` has come to besides its states on the device: enough to continue it as if it had never stopped. Records
 * that come from files are checked field by field.
 */
import { Fields } from "../../validation/json-fields.ts";
import type { EarlyStoppingState, Weights } from "../loop/early-stopping.ts";
import type { EpochRecord, EvaluationRecord } from "../loop/events.ts";
import type { AccumulatorState } from "../metrics/accumulator.ts";

/** Most steps of a run: they are counted in 32 bits, and schedules compute with them. */
export const MOST_STEPS = 2 ** 31 - 1;

/** What must be the same when a run is continued. Files of earlier versions lack all or some of it. */
export interface RunIdentity {
  readonly batchSize: number;
  readonly samples?: number;
  readonly seed?: number;
  readonly shuffle?: boolean;
  readonly optimizer?: string;
  /** The rate that the optimizer began with. */
  readonly learningRate?: number;
  /** A checksum of the schedule. */
  readonly schedule?: string;
  readonly data?: DataIdentity;
}

export interface DataIdentity {
  readonly name: string;
  readonly samples: number;
  readonly shape: readonly number[];
  readonly labels: string;
  /** Of some of the bytes; missing for data that are read in parts. */
  readonly checksum?: string;
}

/** As JSON in checkpoints. */
export interface FitRecord {
  /** Step of the run at which `fit` began. */
  readonly begin: number;
  readonly epochs: readonly EpochRecord[];
  readonly evaluations: readonly EvaluationRecord[];
  /** Step of the latest evaluation; `begin` if there was none. */
  readonly evaluatedAt: number;
  /** Metrics of the current epoch so far. */
  readonly totals: AccumulatorState;
  /** Training time of the current epoch so far. */
  readonly seconds: number;
  readonly early?: EarlyStoppingState;
  /** Why early stopping ended the run. */
  readonly stopped?: string;
  /** Missing in checkpoints of earlier versions. */
  readonly identity?: RunIdentity;
  /** Step at which the run was to end. */
  readonly end?: number;
}

/** What `fit` takes as `resume`. */
export interface FitState extends FitRecord {
  /** Identifies the run; missing in checkpoints of earlier versions. */
  readonly run?: string;
  /** Steps of the run that were done. */
  readonly step: number;
  readonly bestWeights?: Weights;
}

/** The record in the JSON text of a checkpoint at `step`. Throws FormatError that names `file` and the field. */
export function parseRecord(text: string, step: number, file: string): FitRecord {
  const record = Fields.parse(text, `${file}: the record of its run`);
  record.format(1);
  const begin = record.whole("begin", 0, step);
  record.whole("evaluatedAt", begin, step);
  record.objects("epochs", (epoch, i) => checkEpoch(epoch, i + 1));
  record.objects("evaluations", (evaluation) => {
    evaluation.whole("epoch", 1, MOST_STEPS);
    evaluation.whole("step", 0, step);
    evaluation.number("valLoss");
    evaluation.optional("valAccuracy", (name) => evaluation.number(name));
    checkMetrics(evaluation.fields("val"));
  });
  const totals = record.fields("totals");
  totals.whole("steps", 0, step);
  totals.list("sums", (sums, i) => {
    const sum = sums.get(i);
    if (typeof sum !== "number") sums.oneOf(i, ["NaN", "Infinity", "-Infinity"]);
  });
  if (!((record.number("seconds") ?? -1) >= 0)) record.fail("seconds", "a number of at least 0");
  record.optional("stopped", (name) => record.text(name));
  if (record.has("early")) {
    const early = record.fields("early");
    early.whole("bad", 0, MOST_STEPS);
    if (early.has("best")) {
      const best = early.fields("best");
      best.text("monitor");
      best.whole("epoch", 0, MOST_STEPS);
      best.whole("step", 0, step);
      if (best.number("value") === null) best.fail("value", "a number");
    }
  }
  const { format: _, step: __, run: ___, bestWeights: ____, ...rest } = record.values;
  return rest as unknown as FitRecord;
}

/** Checks the record of an epoch, of that `number` where it is given. */
export function checkEpoch(epoch: Fields, number?: number): void {
  epoch.whole("epoch", number ?? 0, number ?? MOST_STEPS);
  const names = ["seconds", "stepsPerSecond", "valLoss", "valAccuracy", "learningRate", "gradientNorm"];
  for (const name of names) epoch.optional(name, () => epoch.number(name));
  if (epoch.has("val")) checkMetrics(epoch.fields("val"));
  checkMetrics(epoch);
}

function checkMetrics(fields: Fields): void {
  fields.number("loss");
  fields.optional("accuracy", (name) => fields.number(name));
  if (!fields.has("metrics")) return;
  const metrics = fields.fields("metrics");
  for (const name of metrics.names) {
    if (!isMetric(metrics.get(name), 2)) metrics.fail(name, "a number, or a list or matrix of numbers");
  }
}

/** Whether `value` is a number or lists of numbers, nested at most `depth` times. JSON writes NaN as null. */
const isMetric = (value: unknown, depth: number): boolean =>
  value === null ||
  typeof value === "number" ||
  (depth > 0 && Array.isArray(value) && value.every((entry) => isMetric(entry, depth - 1)));
