/** Records of a run as files have them, checked before they are believed: those of checkpoints, of logs and of reports. */
import { Fields } from "../../common/json-fields.ts";
import { type FitRecord, MOST_STEPS } from "./fit-record.ts";

const NUMBERS = ["accuracy", "valLoss", "valAccuracy", "learningRate", "gradientNorm"];

/** The record in the JSON text of a checkpoint at `step`. Throws FormatError naming `file` and the field. */
export function parseRecord(text: string, step: number, file: string): FitRecord {
  const record = Fields.parse(text, `${file}: the record of its run`);
  record.format(1);
  const begin = record.whole("begin", 0, step);
  record.whole("evaluatedAt", begin, step);
  record.list("epochs").forEach((epoch, i) => {
    checkEpoch(new Fields(epoch, `${record.place}: epoch ${i + 1}`), i + 1);
  });
  record.list("evaluations").forEach((evaluation, i) => {
    const fields = new Fields(evaluation, `${record.place}: evaluation ${i + 1}`);
    fields.whole("epoch", 1, MOST_STEPS);
    fields.whole("step", 0, step);
    for (const name of ["valLoss", ...fields.names.filter((n) => n === "valAccuracy")]) fields.number(name);
    checkMetrics(fields.fields("val"));
  });
  const totals = record.fields("totals");
  totals.whole("steps", 0, step);
  for (const sum of totals.list("sums")) {
    if (typeof sum !== "number" && !["NaN", "Infinity", "-Infinity"].includes(sum as string))
      totals.fail("sums", "a list of numbers");
  }
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

/** Checks what an epoch's record has; `number`: which epoch it must be of. */
export function checkEpoch(epoch: Fields, number?: number): void {
  epoch.whole("epoch", number ?? 0, number ?? MOST_STEPS);
  for (const name of ["seconds", "stepsPerSecond"]) epoch.optional(name, (n) => epoch.number(n));
  for (const name of NUMBERS) epoch.optional(name, (n) => epoch.number(n));
  if (epoch.has("val")) checkMetrics(epoch.fields("val"));
  checkMetrics(epoch);
}

function checkMetrics(fields: Fields): void {
  fields.number("loss");
  fields.optional("accuracy", (name) => fields.number(name));
  if (!fields.has("metrics")) return;
  const metrics = fields.fields("metrics");
  for (const name of metrics.names) {
    if (!isMetric(metrics.values[name], 2)) metrics.fail(name, "a number, or a list or matrix of numbers");
  }
}

const isMetric = (value: unknown, depth: number): boolean =>
  value === null ||
  typeof value === "number" ||
  (depth > 0 && Array.isArray(value) && value.every((entry) => isMetric(entry, depth - 1)));
