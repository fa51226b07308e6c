/**
 * What went wrong as a message and an exit code: 1 the device or the run failed, 2 the command can't be carried out as
 * given, 130 interrupted. Only a bug of Weft's own shows a stack trace.
 */
import { CommanderError } from "commander";
import { DeviceError, WeftError } from "../../errors.ts";
import { DivergedError } from "../../train/totals.ts";

/** Ctrl-C. */
export class Interrupted extends WeftError {
  override readonly name = "Interrupted";
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return 130;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof DeviceError || error instanceof DivergedError) return 1;
  return error instanceof WeftError ? 2 : 1;
}

export function describeFailure(error: unknown): string {
  if (error instanceof CommanderError) {
    if (error.code === "commander.help")
      return "weft: this command needs another word after it. See weft --help";
    const words = error.message.replace(/^error: /, "").replace(/\s*\n\s*/g, " ");
    return `weft: ${words}${/[.)]$/.test(words) ? "" : "."} See weft --help`;
  }
  if (error instanceof WeftError) return `weft: ${error.message}`;
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `weft: something broke that should not have; please report this:\n${trace}`;
}
