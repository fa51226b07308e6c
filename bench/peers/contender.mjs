// A library under test from the parent's side: a child process that answers requests. JavaScript libraries live in
// worker.mjs and talk over Node's IPC, or in a page of a Chromium of their own (browser.mjs); Python ones live in
// torch_step.py or torch_sequences.py and talk in lines of JSON.
import { fork, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { NETWORKS } from "./networks.mjs";

/** Libraries that run in the Python child, without a GPU. */
export const PYTHON_LIBRARIES = ["torch", "numpy"];

/** Starts the child; `ask(method, args)` sends a request and gives its answer or throws what the child threw. */
export function startContender(library, environment, network = "lenet5") {
  return PYTHON_LIBRARIES.includes(library) ? startPython(library, network) : startWorker(environment);
}

function startWorker(environment) {
  const child = fork(new URL("worker.mjs", import.meta.url), {
    env: environment,
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    serialization: "advanced", // typed arrays go through as they are
  });
  const link = requestLink(child, (message) => child.send(message));
  child.on("message", link.answer);
  return { ask: link.ask };
}

function startPython(library, network) {
  const python = findPython(library);
  const oneThread = { OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1", MKL_NUM_THREADS: "1" };
  const script = fileURLToPath(new URL(NETWORKS[network].python, import.meta.url));
  const child = spawn(python, [script, library, network], {
    env: { ...process.env, ...oneThread },
    stdio: "pipe",
  });
  const link = requestLink(child, (message) => child.stdin.write(`${JSON.stringify(message)}\n`));
  createInterface({ input: child.stdout }).on("line", (line) => link.answer(JSON.parse(line)));
  return { ask: link.ask };
}

/** Pairs answers with requests; when the child ends, every open request fails with the end of its error output. */
function requestLink(child, send) {
  const open = new Map();
  let lastId = 0;
  let errors = "";
  let ended;
  child.stderr.on("data", (text) => {
    errors = (errors + text).slice(-2000);
  });
  child.on("close", (code, signal) => {
    ended = new Error(`its process ended (${signal ?? `code ${code}`})\n${errors}`);
    for (const { reject } of open.values()) reject(ended);
  });
  return {
    ask: (method, args = {}) =>
      new Promise((resolve, reject) => {
        if (ended) return reject(ended);
        open.set(++lastId, { resolve, reject });
        send({ id: lastId, method, args });
      }),
    answer({ id, result, error, unavailable }) {
      const { resolve, reject } = open.get(id);
      open.delete(id);
      if (error === undefined) resolve(result);
      else reject(Object.assign(new Error(error), { unavailable }));
    },
  };
}

/** The first Python that has the module; a virtual environment often hides the system's packages. */
function findPython(library) {
  const candidates = [process.env.PYTHON, "python3", "/usr/bin/python3"].filter(Boolean);
  for (const python of candidates) {
    if (spawnSync(python, ["-c", `import ${library}, numpy`], { stdio: "ignore" }).status === 0)
      return python;
  }
  const message = `${library} is not installed for ${candidates.join(" or ")} (Debian: apt-get install python3-${library})`;
  throw Object.assign(new Error(message), { unavailable: true });
}
