/** Records of a run as text for other programs: CSV with a row per epoch, JSON with everything. */
import type { EpochRecord, EvaluationRecord, Metrics } from "./events.ts";

/** What there is to write; a `History` will do. */
export interface Records {
  readonly epochs: readonly EpochRecord[];
  readonly evaluations?: readonly EvaluationRecord[];
}

/**
 * A header and a line per epoch: epoch, loss, accuracy, metrics, the same of the validation set with `val` before it,
 * learningRate, gradientNorm, seconds, stepsPerSecond; as far as there are any. Metrics that are no single numbers are
 * left out.
 */
export function historyCsv({ epochs }: Records): string {
  const rows = epochs.map(rowOf);
  const columns = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  const lines = rows.map((row) => columns.map((name) => row.get(name) ?? "").join(","));
  return [columns.map(cell).join(","), ...lines].map((line) => `${line}\n`).join("");
}

/** A name as RFC 4180 has it. Spreadsheets would take some first characters for a formula; those get an apostrophe. */
function cell(name: string): string {
  const safe = /^[=+\-@\t\r]/.test(name) ? `'${name}` : name;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** `{ "format": 1, "epochs": […], "evaluations": […] }`, as the records are. */
export function historyJson({ epochs, evaluations }: Records): string {
  return `${JSON.stringify({ format: 1, epochs, evaluations }, null, 2)}\n`;
}

function rowOf(record: EpochRecord): Map<string, number> {
  const { epoch, learningRate, gradientNorm, seconds, stepsPerSecond, val } = record;
  const row = new Map<string, number | undefined>([["epoch", epoch]]);
  for (const [name, value] of numbersOf(record)) row.set(name, value);
  for (const [name, value] of numbersOf(val))
    row.set(`val${name.charAt(0).toUpperCase()}${name.slice(1)}`, value);
  for (const [name, value] of Object.entries({ learningRate, gradientNorm, seconds, stepsPerSecond })) {
    row.set(name, value);
  }
  return new Map([...row].filter((entry): entry is [string, number] => entry[1] !== undefined));
}

/** Loss, accuracy and those metrics that are single numbers. */
export function numbersOf(of: Metrics | undefined): [name: string, value: number][] {
  const { loss, accuracy, metrics } = of ?? {};
  return Object.entries({ loss, accuracy, ...metrics }).filter(
    (entry): entry is [string, number] => typeof entry[1] === "number",
  );
}
