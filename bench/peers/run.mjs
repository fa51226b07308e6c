#!/usr/bin/env node
// Trains the same LeNet-5 from the same weights on the same batch in several libraries, in interleaved rounds, and prints
// what a step costs each of them; with --kernels, single kernels instead. Losses are compared with the golden trajectory
// and kernels with plain loops first; a wrong library gets no times.
import { parseArgs } from "node:util";
import { libraryBuild } from "../build.mjs";
import { startPage } from "./browser.mjs";
import { PYTHON_LIBRARIES, startContender } from "./contender.mjs";
import { driverEnvironment } from "./driver.mjs";
import { compareKernels, kernelTable } from "./kernels.mjs";
import { goldenLosses } from "./problem.mjs";
import { describeMachine, formatTable, writeJson } from "./report.mjs";

const HELP = `node run.mjs [options]
  --driver swiftshader|env   Vulkan driver: SwiftShader (default), or what VK_ICD_FILENAMES or the system says
  --browser                  in headless Chromium with its SwiftShader, a browser for each library
  --batch N                  images per step (64)
  --rounds N                 rounds per library, taken in turns (10)
  --round-ms N               a round has as many steps as fit into this time, at least one (500)
  --max-steps N              but at most this many (50)
  --steps K                  exactly K steps in every round of every library instead
  --libraries a,b            weft,jax-js,tfjs,torch,numpy (all); torch and numpy run on one CPU thread without a GPU
  --json FILE                where the figures go (results/<driver>-batch<N>.json)
  --kernels                  single kernels instead of training steps: weft, jax-js, tfjs; rounds of 150 ms, 5 of them
  --only a,b                 of the kernels, those whose name holds one of these texts (also large ones: "matmul 4096")`;
const ON_GPU = ["weft", "jax-js", "tfjs"];
const TOLERANCE = 1e-4;
const COUNTED_STEPS = 2;

const { values: options } = parseArgs({
  options: {
    driver: { type: "string", default: "swiftshader" },
    browser: { type: "boolean", default: false },
    batch: { type: "string", default: "64" },
    rounds: { type: "string" },
    "round-ms": { type: "string" },
    "max-steps": { type: "string", default: "50" },
    steps: { type: "string" },
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
options.rounds ??= options.kernels ? "5" : "10";
options["round-ms"] ??= options.kernels ? "150" : "500";
if (options.kernels && options.browser) throw new Error("--kernels runs in Node, not with --browser");
options.libraries ??= [...ON_GPU, ...(options.kernels || options.browser ? [] : PYTHON_LIBRARIES)].join();
const place = options.browser ? "chromium" : options.driver;
const batch = wholeNumber("batch");
const rounds = wholeNumber("rounds");
const environment = { ...driverEnvironment(options.driver), WEFT_BUILD: await libraryBuild() };
if (options.kernels) process.exit(await runKernels());
const expected = goldenLosses(batch) ?? (await computedLosses(batch));

const rows = [];
for (const library of options.libraries.split(",")) {
  const row = { library, rounds: [] };
  rows.push(row);
  await attempt(row, () => prepare(row));
  console.error(
    `${library}: ${row.problem ?? `losses agree (largest relative difference ${row.lossError.toExponential(1)})`}`,
  );
}
const racing = () => rows.filter((row) => row.problem === undefined);
for (let round = 1; round <= rounds; round++) {
  for (const row of racing()) await attempt(row, () => timeRound(row));
  process.stderr.write(`\rround ${round} of ${rounds}${round === rounds ? "\n" : ""}`);
}
for (const row of racing()) {
  await attempt(row, async () => {
    row.peakMiB = (await row.contender.ask("memory")).peakMiB;
    if (!(row.lastLoss < expected[0]))
      throw new Error(`WRONG: loss ${row.lastLoss} at the end, ${expected[0]} at the start`);
  });
}
for (const row of rows) await row.contender?.ask("stop").catch(() => undefined);

const settings = { driver: place, batch, rounds, ...describeMachine(rows) };
console.log(formatTable(settings, rows));
const file = options.json ?? new URL(`results/${place}-batch${batch}.json`, import.meta.url);
writeJson(file, settings, rows);
process.exit(rows.some((row) => /^(WRONG|FAILED)/.test(row.problem)) ? 1 : 0);

/** The per-kernel comparison; 1 when a result was wrong. */
async function runKernels() {
  const libraries = options.libraries.split(",");
  const result = await compareKernels({
    libraries,
    environments: Object.fromEntries(libraries.map((name) => [name, { env: environment }])),
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

/** First step, loss check, counts, and the number of steps in a round. */
async function prepare(row) {
  row.contender = options.browser
    ? await startPage(environment.WEFT_BUILD)
    : startContender(row.library, environment);
  const { losses, ...started } = await row.contender.ask("start", { library: row.library, batch });
  const { losses: more } = await row.contender.ask("firstLosses", { n: expected.length - 1 });
  Object.assign(row, started, { losses: [...losses, ...more] });
  row.lossError = Math.max(...expected.map((value, i) => Math.abs(row.losses[i] - value) / Math.abs(value)));
  if (!(row.lossError <= TOLERANCE)) {
    const i = expected.findIndex(
      (value, j) => !(Math.abs(row.losses[j] - value) <= TOLERANCE * Math.abs(value)),
    );
    throw new Error(`WRONG: loss ${i + 1} is ${row.losses[i]}, expected ${expected[i]}`);
  }
  if (!PYTHON_LIBRARIES.includes(row.library)) {
    const { counts } = await row.contender.ask("count", { k: COUNTED_STEPS });
    row.countsPerStep = Object.fromEntries(
      Object.entries(counts).map(([name, n]) => [name, n / COUNTED_STEPS]),
    );
  }
  const { ms } = await row.contender.ask("steps", { k: 2 });
  const fitting = Math.floor(wholeNumber("round-ms") / (ms / 2));
  row.stepsPerRound = options.steps
    ? wholeNumber("steps")
    : Math.max(1, Math.min(fitting, wholeNumber("max-steps")));
}

async function timeRound(row) {
  const { loss, ms, cpuMs } = await row.contender.ask("steps", { k: row.stepsPerRound });
  row.rounds.push({ msPerStep: ms / row.stepsPerRound, cpuMsPerStep: cpuMs / row.stepsPerRound });
  row.lastLoss = loss;
}

/** A library that fails leaves the race with its reason as its row; the others go on. */
async function attempt(row, work) {
  try {
    await work();
  } catch (error) {
    const text = String(error.message);
    const kind = text.startsWith("WRONG") ? "" : error.unavailable ? "not run: " : "FAILED: ";
    row.problem = kind + text.split("\n")[0].replace(/^Unavailable: /, "");
    row.problemDetails = text;
  }
}

/** Reference losses in 64-bit numbers for batches that the golden trajectory doesn't cover. */
async function computedLosses(images) {
  const reference = startContender("numpy", environment);
  const { losses } = await reference.ask("reference", { batch: images });
  await reference.ask("stop");
  return losses;
}

function wholeNumber(name) {
  const value = Number(options[name]);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${name}: expected a whole number above 0, got ${options[name]}`);
  return value;
}
