#!/usr/bin/env node
/** The command `weft`: takes the words of the command line, ends with an exit code (see `failure.ts`). */
import { describeFailure, exitCodeOf } from "./exit-codes.ts";
import { aside } from "./output/terminal.ts";
import { runCommand } from "./program.ts";

// A reader that goes away (`weft train | head`) must not cost the training.
process.stdout.on("error", () => undefined);
process.stderr.on("error", () => undefined);

// Not awaited: what commands import on demand may lie in one file with this module, which must have ended by then.
runCommand(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.exitCode = exitCodeOf(error);
    if (process.exitCode !== 0) aside(...describeFailure(error).split("\n"));
  },
);
