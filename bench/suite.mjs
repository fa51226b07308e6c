// `npm run bench`: prepares and checks all rows first, then times them in interleaved rounds, so that other load affects every
// row alike. Gives plain data, which print.mjs prints.

import { isHardware } from "./choose-driver.mjs";
import { median } from "./format.mjs";
import { firstSteps, trainingRun } from "./fresh/fresh.mjs";
import { chooseCases } from "./kernels/cases.mjs";
import { referenceOutputs, worstDifference } from "./kernels/reference.mjs";
import { networks } from "./networks/networks.mjs";
import { peakCases } from "./peaks/peaks.mjs";
import { startContender } from "./peers/contender.mjs";

/** Number of rounds, milliseconds per round, and most runs in a round. */
const PACE = { software: { rounds: 5, ms: 80, most: 500 }, hardware: { rounds: 11, ms: 60, most: 2000 } };
/** A row whose run takes longer gets fewer rounds. */
const SLOW_MS = 400;
const FEW_ROUNDS = 3;
const COUNTED_STEPS = 2;
const PROFILES = 7;
/** Measurements that need processes of their own: name, key in the result, function. */
const FRESH = [
  ["first step", "firstStep", firstSteps],
  ["memory", "memory", trainingRun],
];

/**
 * @param {object} settings
 * @param {object} settings.environment of the processes that it starts
 * @param {string} [settings.only] comma-separated texts: rows whose name contains one of them, and the adapter's limits
 * @param {{ rounds: number, ms: number, most: number }} [settings.pace] default by the adapter
 * @param {(text: string) => void} settings.log
 */
export async function runSuite({ environment, only, log, ...settings }) {
  const wanted = (name) => only === undefined || only.split(",").some((text) => name.includes(text.trim()));
  const fresh = {};
  for (const [name, key, work] of FRESH) {
    if (!wanted(name)) continue;
    log(name);
    fresh[key] = await work(environment).catch((error) => ({ problem: lastLine(error) }));
  }
  const { ask } = startContender("weft", environment);
  const adapter = await ask("adapter");
  const hardware = isHardware(adapter);
  await ask("open", { library: "weft" });

  const items = [
    ...peakCases(hardware).map((peakCase) => ({ kind: "peak", name: peakCase.name, peakCase })),
    ...Object.entries(networks).flatMap(([name, network]) =>
      network[hardware ? "hardware" : "batches"].map((batch) => ({
        kind: "network",
        name: `${name} batch ${batch}`,
        network: name,
        batch,
      })),
    ),
    ...chooseCases(undefined, hardware).map((testCase) => ({
      kind: "kernel",
      name: testCase.name,
      testCase,
    })),
  ].filter(({ kind, name }) => kind === "peak" || wanted(name));

  for (const item of items) {
    log(`ready: ${item.name}`);
    item.times = [];
    try {
      await prepare(item, ask);
    } catch (error) {
      item.problem = String(error.message)
        .split("\n")[0]
        .replace(/^Error: /, "");
    }
  }
  const right = items.filter(({ problem }) => problem === undefined);
  const pace = settings.pace ?? (hardware ? PACE.hardware : PACE.software);
  for (const item of right) await settle(item, ask, pace);
  for (let round = 0; round < pace.rounds; round++) {
    log(`round ${round + 1} of ${pace.rounds}`);
    for (const item of right) {
      if (round >= item.rounds) continue;
      const { ms } = await ask("time", { id: item.name, k: item.runs });
      item.times.push(ms / item.runs);
    }
  }
  log("calls and shares");
  for (const item of right.filter(({ kind }) => kind === "network")) {
    const { counts } = await ask("countRuns", { id: item.name, k: COUNTED_STEPS });
    item.callsPerStep = Object.fromEntries(
      Object.entries(counts).map(([key, n]) => [key, n / COUNTED_STEPS]),
    );
    const times = item.rounds > FEW_ROUNDS ? PROFILES : 1;
    item.profile = await ask("profile", { id: item.name, times }).catch(() => []);
  }
  await ask("stop").catch(() => undefined);
  const limits = measuredLimits(items);
  return { adapter, hardware, limits, ...fresh, items: items.map((item) => result(item, limits)) };
}

const lastLine = (error) =>
  String(error.stderr || error.message)
    .trim()
    .split("\n")
    .filter((l) => /Error|WRONG/.test(l))
    .at(-1);

/** Compiles and checks a row; stores the results on `item`. */
async function prepare(item, ask) {
  const id = item.name;
  if (item.kind === "peak") return ask("peak", { id, peakCase: item.peakCase });
  if (item.kind === "network") {
    const { network: name, batch } = item;
    Object.assign(item, await ask("network", { id, name, batch }));
    if (!(item.worst <= 1)) throw new Error(`WRONG: losses ${item.losses.join(", ")}`);
    return undefined;
  }
  const { testCase } = item;
  const { outputs } = await ask("build", { testCase });
  item.worst = worstDifference(outputs, referenceOutputs(testCase));
  if (!(item.worst <= testCase.tolerance)) throw new Error(`WRONG by ${item.worst.toExponential(1)}`);
  return undefined;
}

/** Warms up and decides how many runs a round holds. */
async function settle(item, ask, { rounds, ms: roundMs, most }) {
  await ask("time", { id: item.name, k: 1 });
  const { ms } = await ask("time", { id: item.name, k: 2 });
  item.runs = Math.max(1, Math.min(most, Math.round((2 * roundMs) / ms)));
  item.rounds = ms / 2 > SLOW_MS ? Math.min(FEW_ROUNDS, rounds) : rounds;
}

/** Limits of the adapter: FLOP/s, and bytes/s of a small and a large copy; the best variant of each counts. */
function measuredLimits(items) {
  const best = (limit) =>
    Math.max(
      ...items
        .filter(({ kind, problem, peakCase }) => kind === "peak" && !problem && peakCase.limit === limit)
        .map(({ times, peakCase }) => (peakCase.amount / Math.min(...times)) * 1e3),
    );
  return { flops: best("flops"), small: best("small"), large: best("large") };
}

function result({ kind, name, problem, times, worst, runs, ...item }, limits) {
  const row = { kind, name, worst };
  if (problem !== undefined) return { ...row, problem };
  const timing = { ms: median(times), min: Math.min(...times), max: Math.max(...times), runs, times };
  if (kind === "peak") return { ...row, ...timing, amount: item.peakCase.amount };
  if (kind === "network") {
    const { network, batch, compileMs, dispatches, pipelines, stateBytes, slotBytes, callsPerStep } = item;
    const { bindGroups, buffers, shaderModules, pipelines: madePipelines } = callsPerStep;
    const objectsPerStep = bindGroups + buffers + shaderModules + madePipelines;
    const made = { compileMs, dispatches, pipelines, stateBytes, slotBytes, objectsPerStep, callsPerStep };
    const shares = item.profile.map(({ label, milliseconds: ms }, i) => ({
      label,
      ms,
      ...bound(item.work[i], { ms, min: ms }, limits),
    }));
    return { ...row, network, batch, ...timing, ...made, shares };
  }
  const { testCase } = item;
  const shapes = [...testCase.inputs, ...(testCase.outputs ?? [])];
  const bytes =
    testCase.bytes ?? 4 * shapes.reduce((sum, shape) => sum + shape.reduce((n, d) => n * d, 1), 0);
  return { ...row, ...timing, ...bound({ flops: testCase.flops, bytes }, timing, limits) };
}

/**
 * The roofline: no run can be shorter than its arithmetic at the measured peak, nor than its least traffic at the rate of
 * a copy (the small copy's where all arrays together are no larger). Shares compare best times with best times, so that
 * other load does not shift only one side.
 */
function bound({ flops, bytes }, { ms, min }, limits) {
  const rate = bytes <= 8 * 2 ** 20 ? Math.max(limits.small, limits.large) : limits.large;
  const arithmeticMs = ((flops ?? 0) / limits.flops) * 1e3;
  const memoryMs = (bytes / rate) * 1e3;
  return {
    flops,
    bytes,
    gflops: flops ? flops / ms / 1e6 : undefined,
    gbytes: bytes / ms / 1e6,
    bound: arithmeticMs > memoryMs ? "arithmetic" : "memory",
    share: Math.max(arithmeticMs, memoryMs) / min,
  };
}
