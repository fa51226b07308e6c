#!/usr/bin/env node
/** The command `weft`: runs the command line and sets the exit code (see `exit-codes.ts`). */
import { describeFailure, exitCodeOf } from "./exit-codes.ts";
import { printError } from "./output/terminal.ts";
import { runCommand } from "./program.ts";

// A closed pipe (`weft train | head`) must not stop the training.
process.stdout.on("error", () => undefined);
process.stderr.on("error", () => undefined);

// Not awaited: modules that commands import on demand may be bundled with this one, and wait until it has been evaluated.
runCommand(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.exitCode = exitCodeOf(error);
    if (process.exitCode !== 0) printError(...describeFailure(error).split("\n"));
  },
);
