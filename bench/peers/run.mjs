#!/usr/bin/env node
// Trains the same network from the same weights on the same batch in several libraries, in interleaved rounds, and prints what a step costs each of them; with --kernels, single kernels instead. Losses are compared with the golden trajectory
// and kernels with plain loops first; a wrong library gets no times.
import { parseArgs } from "node:util";
import { libraryBuild } from "../build.mjs";
import { PYTHON_LIBRARIES, startContender } from "./contender.mjs";
import { driverEnvironment } from "./driver.mjs";
import { compareKernels, kernelTable } from "./kernels.mjs";
import { NETWORKS } from "./networks.mjs";
import { goldenLosses } from "./problem.mjs";
import { describeMachine, formatProfile, formatTable, writeJson } from "./report.mjs";
import { compareSteps } from "./steps.mjs";

const HELP = `node run.mjs [options]
  --driver swiftshader|env   Vulkan driver: SwiftShader (default), or what VK_ICD_FILENAMES or the system says
  --browser                  in headless Chromium with its SwiftShader, a browser for each library
  --network NAME             what is trained:
${networkLines()}
  --batch N                  samples per step (64; gpt 12, gpt-large 8)
  --rounds N                 rounds per library, taken in turns (10)
  --round-ms N               a round has as many steps as fit into this time, at least one (500)
  --max-steps N              but at most this many (50)
  --steps K                  exactly K steps in every round of every library instead
  --libraries a,b            weft,jax-js,tfjs,torch,numpy (all); torch and numpy run on one CPU thread without a GPU
  --profile                  prints Weft's milliseconds per dispatch afterwards, where the adapter has timestamps
  --json FILE                where the figures go (results/<driver>-<network>-batch<N>.json)
  --kernels                  single kernels instead of training steps: weft, jax-js, tfjs; rounds of 150 ms, 5 of them
  --only a,b                 of the kernels, those whose name holds one of these texts (also large ones: "matmul 4096")`;
const ON_GPU = ["weft", "jax-js", "tfjs"];

const { values: options } = parseArgs({
  options: {
    driver: { type: "string", default: "swiftshader" },
    browser: { type: "boolean", default: false },
    network: { type: "string", default: "lenet5" },
    batch: { type: "string" },
    rounds: { type: "string" },
    "round-ms": { type: "string" },
    "max-steps": { type: "string", default: "50" },
    steps: { type: "string" },
    profile: { type: "boolean", default: false },
    libraries: { type: "string" },
    kernels: { type: "boolean", default: false },
    only: { type: "string" },
    json: { type: "string" },
    help: { type: "boolean" },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const { network } = options;
if (!Object.hasOwn(NETWORKS, network))
  throw new Error(`--network: expected ${Object.keys(NETWORKS).join(", ")}; got ${network}`);
const { reference, batch: usualBatch } = NETWORKS[network];
options.batch ??= String(usualBatch);
options.rounds ??= options.kernels ? "5" : "10";
options["round-ms"] ??= options.kernels ? "150" : "500";
if (options.kernels && options.browser) throw new Error("--kernels runs in Node, not with --browser");
options.libraries ??= [...ON_GPU, ...(options.kernels || options.browser ? [] : PYTHON_LIBRARIES)]
  // NumPy trains only what it is the reference for.
  .filter((library) => library !== "numpy" || reference === "numpy" || options.kernels)
  .join();
const place = options.browser ? "chromium" : options.driver;
const batch = wholeNumber("batch");
const rounds = wholeNumber("rounds");
const environment = { ...driverEnvironment(options.driver), WEFT_BUILD: await libraryBuild() };
if (options.kernels) process.exit(await runKernels());
const expected = (network === "lenet5" && goldenLosses(batch)) || (await computedLosses(batch));

const rows = await compareSteps({
  libraries: options.libraries.split(","),
  start: options.browser
    ? async () => (await import("./browser.mjs")).startPage(environment.WEFT_BUILD)
    : (library) => startContender(library, environment, network),
  batch,
  network,
  expected,
  rounds,
  roundMs: wholeNumber("round-ms"),
  mostSteps: wholeNumber("max-steps"),
  steps: options.steps && wholeNumber("steps"),
  profile: options.profile,
  log: console.error,
});
const settings = { driver: place, network, batch, rounds, ...describeMachine(rows) };
console.log(formatTable(settings, rows));
if (options.profile) console.log(formatProfile(rows));
const file = options.json ?? new URL(`results/${place}-${network}-batch${batch}.json`, import.meta.url);
writeJson(file, settings, rows);
process.exit(rows.some((row) => /^(WRONG|FAILED)/.test(row.problem)) ? 1 : 0);

/** The per-kernel comparison; 1 when a result was wrong. */
async function runKernels() {
  const libraries = options.libraries.split(",");
  const result = await compareKernels({
    libraries,
    environment,
    only: options.only,
    rounds,
    roundMs: wholeNumber("round-ms"),
    log: console.error,
  });
  const machine = describeMachine([{ adapter: result.adapter }]);
  console.log(`Single kernels, ${rounds} rounds in turns; ${result.adapter.description}; ${machine.cpu}`);
  console.log(kernelTable(result));
  console.log(
    "ms: median per run, many runs per wait; rate: Weft's; x weft: median of the ratios round by round.",
  );
  const file = options.json ?? new URL(`results/${options.driver}-kernels.json`, import.meta.url);
  writeJson(file, { driver: options.driver, rounds, ...machine, kernels: result.rows }, []);
  const wrong = (row) => Object.values(row.results).some(({ problem }) => problem?.startsWith("WRONG"));
  return result.rows.some(wrong) ? 1 : 0;
}

/** Reference losses in 64-bit numbers for batches that the golden trajectory doesn't cover. */
async function computedLosses(samples) {
  const contender = startContender(reference, environment, network);
  const { losses } = await contender.ask("reference", { batch: samples });
  await contender.ask("stop");
  return losses;
}

/** Help lines of all networks. */
function networkLines() {
  const line = ([name, { title }]) =>
    `    ${name.padEnd(25)}${title}${name === "lenet5" ? " (default)" : ""}`;
  return Object.entries(NETWORKS).map(line).join("\n");
}

function wholeNumber(name) {
  const value = Number(options[name]);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${name}: expected a whole number above 0, got ${options[name]}`);
  return value;
}
