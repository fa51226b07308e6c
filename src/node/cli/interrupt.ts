/** Ctrl-C and other stop signals: the first asks for a clean stop, a second one ends the process at once. */
import { Interrupted, type StopSignal } from "./exit-codes.ts";

/** npm and npx forward a signal that the terminal has already delivered: one key press arrives as two signals. */
const ONE_KEY_PRESS_MS = 250;

let listening: AbortSignal | undefined;

/** The AbortSignal that SIGINT, SIGTERM and SIGHUP abort with an `Interrupted`. Listens from the first call on. */
export function interruptSignal(): AbortSignal {
  listening ??= listen();
  return listening;
}

/** Exit code of a command that completed or was stopped by `signal`. */
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
