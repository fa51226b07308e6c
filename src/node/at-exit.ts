/**
 * Runs tasks when the process ends: by itself, by `process.exit`, by an uncaught error, or by a signal without another
 * handler. SIGKILL can't be handled.
 */

const tasks = new Set<() => void>();
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs `task`, which must be synchronous, at the end of the process. Returns a function that cancels it. */
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

/** A listener keeps the signal from ending the process, so it is sent again after the tasks. */
function onSignal(name: NodeJS.Signals): void {
  if (process.listenerCount(name) > 1) return;
  runAll();
  process.off(name, onSignal);
  process.kill(process.pid, name);
}
