/**
 * Work for the end of the process: when it ends by itself, by `process.exit` or an uncaught error, and by a signal
 * without another handler. SIGKILL can't be handled.
 */

const tasks = new Set<() => void>();
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs `task` at the end, which must do its work at once; the answer takes it back. */
export function atExit(task: () => void): () => void {
  if (tasks.size === 0) listen("on");
  tasks.add(task);
  return () => {
    if (tasks.delete(task) && tasks.size === 0) listen("off");
  };
}

function listen(change: "on" | "off"): void {
  process[change]("exit", runAll);
  for (const name of SIGNALS) process[change](name, onSignal);
}

function runAll(): void {
  for (const task of [...tasks]) task();
}

/** Listening keeps a signal from ending the process; so it is sent once more when the work is done. */
function onSignal(name: NodeJS.Signals): void {
  if (process.listenerCount(name) > 1) return;
  runAll();
  process.off(name, onSignal);
  process.kill(process.pid, name);
}
