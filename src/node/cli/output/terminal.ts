/**
 * The only place from which the command line writes text. Names of files, classes and columns may hold control characters;
 * they are written as escapes, so that no file can move the cursor or forge a line.
 */
import { type Options, SingleBar } from "cli-progress";
import { printable } from "../../../validation/printable.ts";
import { atExit } from "../../at-exit.ts";

const joined = (lines: readonly string[]) => lines.map((text) => `${printable(text)}\n`).join("");

export function print(...lines: readonly string[]): void {
  process.stdout.write(joined(lines));
}

/** Prints text as it comes, without ending the line; line breaks and tabs are kept. */
export function printText(text: string): void {
  process.stdout.write(
    text
      .split(/(\n|\t)/)
      .map((part, i) => (i % 2 === 0 ? printable(part) : part))
      .join(""),
  );
}

/** Prints a line of JSON on stdout. */
export function printJson(value: object): void {
  print(JSON.stringify(value));
}

export function printError(...lines: readonly string[]): void {
  process.stderr.write(joined(lines));
}

/** Replaces the current line of the terminal at stderr by `text`, "" clears it. Does nothing without a terminal. */
export function overwrite(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${printable(text)}`);
}

export interface Bar {
  update(value: number, payload?: object): void;
  /** Removes the bar and restores the terminal. */
  stop(): void;
}

/** Draws a progress bar. cli-progress turns line wrapping off; it is restored however the process ends. */
export function openBar({
  total,
  value,
  payload = {},
  ...options
}: Options & { total: number; value: number; payload?: object }): Bar {
  const bar = new SingleBar(options);
  const cancel = atExit(() => bar.stop());
  bar.start(total, value, payload);
  return {
    update: (at, more) => bar.update(at, more ?? {}),
    stop() {
      cancel();
      bar.stop();
    },
  };
}
