/** Ctrl-C: the first asks for a clean stop, a second one ends the process at once. */
import { Interrupted } from "./failure.ts";

/** npm and npx pass Ctrl-C on to a child that the terminal has told already: one key press, two signals. */
const ONE_KEY_PRESS_MS = 250;

/** `signal` is aborted with an `Interrupted`; `release` gives Ctrl-C back to Node. */
export function listenForInterrupt(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  let first = 0;
  const listener = () => {
    if (!controller.signal.aborted) {
      first = performance.now();
      controller.abort(new Interrupted("interrupted"));
    } else if (performance.now() - first > ONE_KEY_PRESS_MS) process.exit(130);
  };
  process.on("SIGINT", listener);
  return { signal: controller.signal, release: () => process.off("SIGINT", listener) };
}
