/** Records of a run as text for other programs: CSV with a row per epoch, JSON with everything. */
import type { EpochRecord, EvaluationRecord, Metrics } from "./events.ts";

/** The records to write; a `History` will do. */
export interface Records {
  readonly epochs: readonly EpochRecord[];
  readonly evaluations?: readonly EvaluationRecord[];
}

/**
 * A header and a line per epoch: epoch, loss, accuracy, metrics, the same of the validation set with `val` before it,
 * learningRate, gradientNorm, seconds, stepsPerSecond; those that there are. Metrics that are not single numbers are left out.
 */
export function historyCsv({ epochs }: Records): string {
  const rows = epochs.map(rowOf);
  const columns = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  const lines = rows.map((row) => columns.map((name) => row.get(name) ?? "").join(","));
  return [columns.map(cell).join(","), ...lines].map((line) => `${line}\n`).join("");
}

/** A name as in RFC 4180. An apostrophe keeps spreadsheets from taking it for a formula. */
function cell(name: string): string {
  const safe = /^[=+\-@\t\r]/.test(name) ? `'${name}` : name;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** `{ "format": 1, "epochs": […], "evaluations": […] }` with the records as they are. */
export function historyJson({ epochs, evaluations }: Records): string {
  return `${JSON.stringify({ format: 1, epochs, evaluations }, null, 2)}\n`;
}

function rowOf(record: EpochRecord): Map<string, number> {
  const { epoch, learningRate, gradientNorm, seconds, stepsPerSecond, val } = record;
  const row = new Map<string, number>([["epoch", epoch], ...numbersOf(record)]);
  for (const [name, value] of numbersOf(val)) row.set(validationName(name), value);
  for (const [name, value] of Object.entries({ learningRate, gradientNorm, seconds, stepsPerSecond })) {
    if (value !== undefined) row.set(name, value);
  }
  return row;
}

/** Loss, accuracy and those metrics that are single numbers. */
export function numbersOf(metrics: Partial<Metrics> = {}): [name: string, value: number][] {
  const { loss, accuracy, metrics: others } = metrics;
  return Object.entries({ loss, accuracy, ...others }).filter(
    (entry): entry is [string, number] => typeof entry[1] === "number",
  );
}

/** The name of a figure of the validation set: `valLoss` for `loss`. */
export const validationName = (name: string) => `val${name.charAt(0).toUpperCase()}${name.slice(1)}`;
