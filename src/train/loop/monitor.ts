/** Which figure of a record a run is judged by, and which way is better. */
import { ValueError } from "../../common/errors.ts";
import type { MetricValue } from "../metrics/definition.ts";
import type { Metrics } from "./events.ts";

/**
 * A figure by its name: `loss`, `accuracy` or a metric (`top5`, `f1`) of the training, or after `val` and with a capital
 * of the validation set (`valLoss`, `valTop5`).
 */
export type Monitor = "valLoss" | "valAccuracy" | "loss" | "accuracy" | (string & {});

export type MonitorMode = "min" | "max";

/** Losses and errors are better small, everything else large. */
export function modeOf(monitor: Monitor): MonitorMode {
  return /loss$|mse$|mae$|error$|norm$/i.test(monitor) ? "min" : "max";
}

interface Judged extends Partial<Metrics> {
  readonly epoch: number;
  readonly val?: Metrics;
}

export const isOfValidation = (monitor: Monitor): boolean => /^val[A-Z]/.test(monitor);

/** Figures of a record that are single numbers. */
function namesOf({ val, ...training }: Judged): string[] {
  const names = ({ loss, accuracy, metrics = {} }: Partial<Metrics>) =>
    Object.entries({ loss, accuracy, ...metrics }).flatMap(([name, v]) =>
      typeof v === "number" ? [name] : [],
    );
  const ofVal = val === undefined ? [] : names(val);
  return [...names(training), ...ofVal.map((name) => `val${name.charAt(0).toUpperCase()}${name.slice(1)}`)];
}

/** The number that `monitor` names; throws ValueError, in the name of `who`, where the record has none. */
export function monitored(who: string, record: Judged, monitor: Monitor): number {
  const ofValidation = isOfValidation(monitor);
  const metrics = ofValidation ? record.val : record;
  const name = ofValidation ? monitor.charAt(3).toLowerCase() + monitor.slice(4) : monitor;
  const value: MetricValue | undefined =
    name === "loss" || name === "accuracy" ? metrics?.[name] : metrics?.metrics?.[name];
  if (typeof value === "number") return value;
  const advice =
    ofValidation && record.val === undefined
      ? "give fit a validation set"
      : value === undefined
        ? `there are ${namesOf(record).join(", ")}; others are measured with the trainer's \`metrics\``
        : "it is not a single number";
  throw new ValueError(`${who}: epoch ${record.epoch} has no ${monitor}; ${advice}`);
}
