/** Ctrl-C: the first asks for a clean stop, a second one ends the process at once. */
import { Interrupted } from "./failure.ts";

/** npm and npx pass Ctrl-C on to a child that the terminal has told already: one key press, two signals. */
const ONE_KEY_PRESS_MS = 250;

let listening: AbortSignal | undefined;

/** The signal that Ctrl-C aborts with an `Interrupted`, from the first call until the process ends. */
export function interruptSignal(): AbortSignal {
  listening ??= listen();
  return listening;
}

function listen(): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  process.on("SIGINT", () => {
    if (!controller.signal.aborted) {
      first = performance.now();
      controller.abort(new Interrupted("interrupted"));
    } else if (performance.now() - first > ONE_KEY_PRESS_MS) process.exit(130);
  });
  return controller.signal;
}
