/** The one place from which the commands' text leaves the process. Names in it may hold anything; none reaches a terminal raw. */
import { type Options, SingleBar } from "cli-progress";
import { printable } from "../../../common/printable.ts";
import { atExit } from "../../at-exit.ts";

/** Each of `lines` as a line on stdout. */
export function say(...lines: readonly string[]): void {
  process.stdout.write(lines.map((text) => `${printable(text)}\n`).join(""));
}

/** A line of JSON on stdout. */
export function sayJson(value: object): void {
  say(JSON.stringify(value));
}

/** Each of `lines` as a line on stderr. */
export function aside(...lines: readonly string[]): void {
  process.stderr.write(lines.map((text) => `${printable(text)}\n`).join(""));
}

/** Shows `text` in place of the line that stderr's terminal shows; "" only wipes it. Nothing without a terminal. */
export function overwrite(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${printable(text)}`);
}

export interface Bar {
  update(value: number, words?: object): void;
  /** Takes the bar off the terminal and leaves that as it was. */
  stop(): void;
}

/** A bar on a terminal. cli-progress turns line wrapping off while it draws, which no end of the process leaves behind. */
export function openBar({
  total,
  value,
  words = {},
  ...options
}: Options & { total: number; value: number; words?: object }): Bar {
  const bar = new SingleBar(options);
  const forget = atExit(() => bar.stop());
  bar.start(total, value, words);
  return {
    update: (at, more) => bar.update(at, more ?? {}),
    stop() {
      forget();
      bar.stop();
    },
  };
}
