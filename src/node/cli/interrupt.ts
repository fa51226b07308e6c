/** Ctrl-C and other wishes to stop: the first asks for a clean stop, a second one ends the process at once. */
import { Interrupted, type StopSignal } from "./exit-codes.ts";

/** npm and npx pass signals on to a child that the terminal has told already: one key press, two signals. */
const ONE_KEY_PRESS_MS = 250;

let listening: AbortSignal | undefined;

/** The signal that SIGINT, SIGTERM and SIGHUP abort with an `Interrupted`, from the first call until the process ends. */
export function interruptSignal(): AbortSignal {
  listening ??= listen();
  return listening;
}

/** The exit code of a command that may have been stopped. */
export const stopCode = ({ reason }: AbortSignal): number =>
  reason instanceof Interrupted ? reason.code : 0;

function listen(): AbortSignal {
  const controller = new AbortController();
  let first = { name: "", at: 0 };
  const stop = (name: StopSignal) => {
    const reason = new Interrupted(name);
    const at = performance.now();
    if (!controller.signal.aborted) {
      first = { name, at };
      controller.abort(reason);
    } else if (name !== first.name || at - first.at > ONE_KEY_PRESS_MS) process.exit(reason.code);
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, stop);
  return controller.signal;
}
