/** The history of runs as CSV (RFC 4180): a row per step, with validation values in the last row of each epoch. */
import type { RunLog } from "./run-log.ts";

const COLUMNS = [
  "run",
  "recipe",
  "data",
  "images",
  "optimizer",
  "learning_rate",
  "batch_size",
  "seed",
  "convolution",
  "step",
  "epoch",
  "loss",
  "accuracy",
  "val_loss",
  "val_accuracy",
] as const;

/** Rows per piece. */
const LINES = 2000;

/** The table in pieces, so that a long one does not block the page. */
export function* historyToCsv(runs: readonly RunLog[]): Generator<string> {
  let lines: string[] = [COLUMNS.join(",")];
  for (const run of runs) {
    const { recipe, data, images, optimizer, rate, batch, seed, conv } = run.settings;
    const constant = [run.number, recipe, data, images, optimizer, rate, batch, seed, conv];
    const ends = new Map(run.epochs.map((point) => [point.step, point]));
    const losses = run.losses.values;
    const accuracies = run.accuracies.values;
    for (let i = 0; i < losses.length; i++) {
      // Steps before loaded weights are unknown.
      if (Number.isNaN(losses[i])) continue;
      const step = i + 1;
      const end = ends.get(step);
      const epoch = Math.ceil(step / run.stepsPerEpoch);
      const row = [
        ...constant,
        step,
        epoch,
        losses[i],
        accuracies[i],
        end?.valLoss ?? "",
        end?.valAccuracy ?? "",
      ];
      lines.push(row.map((value) => field(String(value))).join(","));
      if (lines.length === LINES) {
        yield text(lines);
        lines = [];
      }
    }
  }
  yield text(lines);
}

const text = (lines: readonly string[]) => lines.map((line) => `${line}\r\n`).join("");

function field(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
