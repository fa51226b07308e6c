/** What tuning tells: a table for people with a line of progress on a terminal, lines of JSON for programs. */
import type { TuneEvent } from "../../../runtime/backend.ts";
import { duration, percent, several } from "./format.ts";
import { aside, overwrite, say, sayJson } from "./terminal.ts";

export interface TuneReport {
  begin(what: { readonly recipe: string; readonly batchSize: number; readonly adapter: string }): void;
  notice(line: string): void;
  event(event: TuneEvent): void;
  /** Leaves the terminal as it was. */
  close(): void;
}

type Choice = Extract<TuneEvent, { event: "choice" }>;
type Tuned = Extract<TuneEvent, { event: "tuned" }>;

/** A line per choice and one at the end on stdout; notices go to stderr. */
export function jsonTuneReport(): TuneReport {
  return {
    begin: () => undefined,
    notice: aside,
    event(event) {
      if (event.event === "notice") aside(event.message);
      else if (event.event !== "tuning") sayJson(event);
    },
    close: () => undefined,
  };
}

export function humanTuneReport(): TuneReport {
  const rows: string[][] = [["node", "shape", "default", "chosen", "time of default", "chosen / default"]];
  const wipe = () => overwrite("");
  return {
    begin: ({ recipe, batchSize, adapter }) =>
      void say(`Tuning a training step of ${recipe}, batch size ${batchSize}, on ${adapter}.`),
    notice: say,
    event(event) {
      if (event.event === "tuning") {
        overwrite(`${event.done + 1} of ${event.of}: ${event.node}`);
      } else if (event.event === "choice") rows.push(tableRow(event));
      else {
        wipe();
        if (event.event === "notice") say(event.message);
        else for (const text of [...aligned(rows), ...tunedWords(event)]) say(text);
      }
    },
    close: wipe,
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

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((text, i) => text.padEnd(widths[i] as number))
      .join("  ")
      .trimEnd(),
  );
}

/** What came of it, in a line or two. */
export function tunedWords({ measured, stored, run, seconds, place }: Tuned): string[] {
  const from = place === undefined ? "" : ` ${place}`;
  if (measured === 0) return [`Nothing was timed: all ${several(stored, "choice")} come from${from}.`];
  const known = stored === 0 ? "" : `, ${stored} more taken from the store`;
  const timed = `Timed ${several(measured, "choice")} in ${duration(seconds)}${known}.`;
  const kept = place === undefined ? [] : [`Stored in ${place}.`];
  if (run === undefined) return [`${timed} The defaults are the fastest here.`, ...kept];
  const times = `${run.usual.toFixed(2)} ms with the defaults, ${run.chosen.toFixed(2)} ms with the choices`;
  const verdict = run.kept
    ? `${percent(1 - run.chosen / run.usual, 0)} less`
    : "no faster as a whole, so the defaults stay";
  return [timed, `A step takes ${times}: ${verdict}.`, ...kept];
}
