/** Ready-made callbacks, for `fit(…, { callbacks: […] })`. */

import { checkOptions } from "../../validation/options.ts";
import { checkFinite } from "../metrics/divergence.ts";
import type { AnyTrainer } from "./any-trainer.ts";
import { improvement, type Monitor, type MonitorMode, modeOf, monitored } from "./early-stopping.ts";
import type { Callback } from "./events.ts";
import { checkTrainer } from "./options.ts";

export interface BestCheckpointOptions {
  /** Default `valLoss`. */
  readonly monitor?: Monitor;
  /** Default: losses and errors should fall, everything else rise. */
  readonly mode?: MonitorMode;
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Saves the run to `path` after every epoch that is better than all before it, so that the file holds the best epoch.
 * An epoch whose metric is NaN is never the best. Throws DivergedError where weights are not finite, ValueError where an
 * epoch has no such metric: validation metrics need `fit`'s `validation`.
 */
export function bestCheckpoint(
  trainer: AnyTrainer,
  path: string,
  options: BestCheckpointOptions = {},
): Callback {
  checkTrainer("bestCheckpoint", trainer);
  const kinds = { monitor: "string", mode: ["min", "max"], metadata: "object" } as const;
  const given = checkOptions("bestCheckpoint", options, kinds);
  const { monitor = "valLoss", mode = modeOf(monitor), metadata = {} } = given;
  let best: number | undefined;
  return async (event) => {
    if (event.event !== "epoch") return;
    const value = monitored("bestCheckpoint", event, monitor);
    const better = best === undefined ? !Number.isNaN(value) : improvement(value, best, mode) > 0;
    if (!better) return;
    const ofEpoch = { epoch: String(event.epoch), [monitor]: String(value) };
    const bytes = await trainer.toSafetensors({ ...metadata, ...ofEpoch });
    const { loadStates } = await import("../state/state-file.ts");
    checkFinite(trainer, loadStates(bytes, trainer.states, path), trainer.steps);
    await trainer.files().write(path, bytes);
    best = value;
  };
}
