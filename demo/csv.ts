/** The history of runs as a table for other programs: RFC 4180, a line per step, validation in the line that ends an epoch. */
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

/** Lines that are made at a time. */
const LINES = 2000;

/** The table in pieces, so that a long one need not be made in one go. */
export function* historyToCsv(runs: readonly RunLog[]): Generator<string> {
  let lines: string[] = [COLUMNS.join(",")];
  for (const run of runs) {
    const { recipe, data, images, optimizer, rate, batch, seed, conv } = run.settings;
    const constant = [run.number, recipe, data, images, optimizer, rate, batch, seed, conv];
    const ends = new Map(run.epochs.map((point) => [point.step, point]));
    const losses = run.losses.values;
    const accuracies = run.accuracies.values;
    for (let i = 0; i < losses.length; i++) {
      // Steps before weights from a file were not seen here.
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
