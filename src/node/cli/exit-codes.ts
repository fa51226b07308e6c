/**
 * What went wrong as a message and an exit code: 1 the device or the run failed, 2 the command can't be carried out as
 * given, 128 + n stopped by signal n (Ctrl-C: 130). Only a bug of Weft's own shows a stack trace.
 */
import { constants } from "node:os";
import { CommanderError } from "commander";
import { DeviceError, WeftError } from "../../common/errors.ts";
import { printable } from "../../common/printable.ts";
import { DivergedError } from "../../train/metrics/divergence.ts";

export type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** Stopped from outside: Ctrl-C, a service manager, a terminal that was closed. */
export class Interrupted extends WeftError {
  override readonly name = "Interrupted";

  constructor(readonly signal: StopSignal) {
    super(signal === "SIGINT" ? "interrupted" : `stopped by ${signal}`);
  }

  /** As shells have it. */
  get code(): number {
    return 128 + constants.signals[this.signal];
  }
}

/** What other programs call options and commands that are spelled too differently here to be guessed. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
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

/** What to tell, without controls. Only what drivers say has several lines; a line break elsewhere is part of a name. */
export function describeFailure(error: unknown): string {
  if (error instanceof CommanderError) {
    if (error.code === "commander.help")
      return "weft: this command needs another word after it. See weft --help";
    const said = error.message.replace(/^error: /, "").replace(/\s*\n\s*/g, " ");
    const word = /^unknown (?:option|command) '([^'=]*)/.exec(said)?.[1];
    const ours = said.includes("(Did you mean") ? undefined : OTHER_WORDS[word ?? ""];
    const words = printable(ours === undefined ? said : `${said} (Did you mean ${ours}?)`);
    return `weft: ${words}${/[.)]$/.test(words) ? "" : "."} See weft --help`;
  }
  if (error instanceof DeviceError) return `weft: ${printableLines(error.message)}`;
  if (error instanceof WeftError) return `weft: ${printable(error.message)}`;
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `weft: something broke that should not have; please report this:\n${printableLines(trace)}`;
}

const printableLines = (text: string) => text.split("\n").map(printable).join("\n");
