/**
 * Errors as messages and exit codes: 1 the device or the run failed, 2 wrong usage or input, 128 + n stopped by signal n
 * (Ctrl-C: 130). Only unexpected errors, which are bugs of Weft, show a stack trace.
 */
import { constants } from "node:os";
import { CommanderError } from "commander";
import { DivergedError } from "../../train/metrics/divergence.ts";
import { DeviceError, WeftError } from "../../validation/errors.ts";
import { printable } from "../../validation/printable.ts";

export type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** The process was asked to stop: by Ctrl-C, a service manager, or a terminal that closed. */
export class Interrupted extends WeftError {
  override readonly name = "Interrupted";

  constructor(readonly signal: StopSignal) {
    super(signal === "SIGINT" ? "interrupted" : `stopped by ${signal}`);
  }

  /** The exit code by the convention of shells. */
  get code(): number {
    return 128 + constants.signals[this.signal];
  }
}

/** Names in other programs, and the option or command of Weft: too different for Commander to suggest. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  "--learning-rate": "--lr",
  "--learningRate": "--lr",
  "--bs": "--batch-size",
  "--batch": "--batch-size",
  "--target": "--label",
  "--device": "--backend",
  evaluate: "eval",
  test: "eval",
  infer: "predict",
  fit: "train",
};

export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return error.code;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof DeviceError || error instanceof DivergedError) return 1;
  return error instanceof WeftError ? 2 : 1;
}

/** The message to print, without control characters. Only messages of drivers and stack traces may have several lines. */
export function describeFailure(error: unknown): string {
  if (error instanceof CommanderError) {
    if (error.code === "commander.help") return "weft: this command needs a subcommand. See weft --help";
    const reason = error.message.replace(/^error: /, "").replace(/\s*\n\s*/g, " ");
    const given = /^unknown (?:option|command) '([^'=]*)/.exec(reason)?.[1];
    const ours = reason.includes("(Did you mean") ? undefined : OTHER_NAMES[given ?? ""];
    const text = printable(ours === undefined ? reason : `${reason} (Did you mean ${ours}?)`);
    return `weft: ${text}${/[.)]$/.test(text) ? "" : "."} See weft --help`;
  }
  if (error instanceof DeviceError) return `weft: ${printableLines(error.message)}`;
  if (error instanceof WeftError) return `weft: ${printable(error.message)}`;
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `weft: unexpected error; please report this:\n${printableLines(trace)}`;
}

const printableLines = (text: string) => text.split("\n").map(printable).join("\n");
