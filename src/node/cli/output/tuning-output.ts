/** Events of kernel tuning: as a table with a line of progress on a terminal, or as lines of JSON. */
import type { TuneEvent } from "../../../runtime/backend.ts";
import { duration, percent, plural, table } from "./format.ts";
import { overwrite, print, printError, printJson } from "./terminal.ts";

type Choice = Extract<TuneEvent, { event: "choice" }>;
type Tuned = Extract<TuneEvent, { event: "tuned" }>;

/** Prints a line of JSON per choice and one at the end on stdout; notices go to stderr. */
export function jsonTuning(event: TuneEvent): void {
  if (event.event === "notice") printError(event.message);
  else if (event.event !== "tuning") printJson(event);
}

/** A listener that gathers the choices and prints them as a table at the end. */
export function tuningTable(): (event: TuneEvent) => void {
  const rows: string[][] = [["node", "shape", "default", "chosen", "time of default", "chosen / default"]];
  return (event) => {
    if (event.event === "tuning") overwrite(`${event.done + 1} of ${event.of}: ${event.node}`);
    else if (event.event === "choice") rows.push(tableRow(event));
    else {
      overwrite("");
      print(...(event.event === "notice" ? [event.message] : [...table(rows), ...tuningSummary(event)]));
    }
  };
}

function tableRow(choice: Choice): string[] {
  const { node, nodes, inputs, outputs, usual, chosen, ratio, milliseconds, source } = choice;
  const shape = (specs: readonly string[]) => (specs[0] ?? "").replaceAll(", ", "x").replace(/^f32/, "");
  return [
    nodes === 1 ? node : `${node} (${nodes} times)`,
    `${shape(inputs)} -> ${shape(outputs)}`,
    usual,
    chosen,
    milliseconds === undefined ? source : `${milliseconds.toFixed(3)} ms`,
    usual === chosen ? "" : ratio.toFixed(2),
  ];
}

/** The result of tuning in one to three lines. */
export function tuningSummary({ measured, stored, run, seconds, place }: Tuned): string[] {
  const from = place === undefined ? "" : ` ${place}`;
  if (measured === 0) return [`Nothing was timed: all ${plural(stored, "choice")} come from${from}.`];
  const known = stored === 0 ? "" : `, ${stored} more taken from the store`;
  const timed = `Timed ${plural(measured, "choice")} in ${duration(seconds)}${known}.`;
  const kept = place === undefined ? [] : [`Stored in ${place}.`];
  if (run === undefined) return [`${timed} The defaults are the fastest here.`, ...kept];
  const times = `${run.usual.toFixed(2)} ms with the defaults, ${run.chosen.toFixed(2)} ms with the choices`;
  const gain = run.kept
    ? `${percent(1 - run.chosen / run.usual, 0)} less`
    : "the whole step is not faster, so the defaults stay";
  return [timed, `A step takes ${times}: ${gain}.`, ...kept];
}
