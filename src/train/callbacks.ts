/** Ready listeners on a run, for `fit(…, { callbacks: […] })`. */
import { ValueError } from "../errors.ts";
import type { Callback, EpochRecord } from "./events.ts";
import type { Trainer } from "./trainer.ts";

/** What an epoch is judged by: losses are better small, accuracies large. */
export type Monitor = "valLoss" | "valAccuracy" | "loss" | "accuracy";

export interface BestCheckpointOptions {
  /** Default `valLoss`. */
  readonly monitor?: Monitor;
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Saves the run to `path` after every epoch that is better than all before it, so that the file holds the best epoch.
 * Throws ValueError when an epoch has no such metric: validation metrics need `fit`'s `validation`.
 */
export function bestCheckpoint(
  trainer: Trainer,
  path: string,
  options: BestCheckpointOptions = {},
): Callback {
  const { monitor = "valLoss", metadata = {} } = options;
  const sign = monitor.endsWith("oss") ? -1 : 1;
  let best = Number.NEGATIVE_INFINITY;
  return async (event) => {
    if (event.event !== "epoch") return;
    const score = sign * metricOf(event, monitor);
    if (score <= best) return;
    best = score;
    await trainer.save(path, { ...metadata, epoch: String(event.epoch), [monitor]: String(event[monitor]) });
  };
}

function metricOf(record: EpochRecord, monitor: Monitor): number {
  const value = record[monitor];
  if (value === undefined) {
    throw new ValueError(
      `bestCheckpoint: epoch ${record.epoch} has no ${monitor}; give fit a validation set`,
    );
  }
  return value;
}
