// The training-step comparison: one step in every library, each in a process of its own, in interleaved rounds.
// Losses are compared with the expected ones first; a library with wrong losses gets no times, and the reason as its row.
import { PYTHON_LIBRARIES } from "./contender.mjs";

const TOLERANCE = 1e-4;
const COUNTED_STEPS = 2;

/**
 * @param {object} settings
 * @param {string[]} settings.libraries rows, in order
 * @param {(library: string) => object | Promise<object>} settings.start gives the contender of a library
 * @param {number} settings.batch
 * @param {string} settings.network one of NETWORKS
 * @param {number[]} settings.expected losses before each of the first steps
 * @param {number} settings.rounds
 * @param {number} settings.roundMs a round has as many steps as fit, at least one
 * @param {number} settings.mostSteps and at most so many
 * @param {number} [settings.steps] or exactly so many
 * @param {boolean} [settings.profile] whether Weft's row gets the milliseconds of its dispatches
 * @param {(text: string) => void} settings.log
 */
export async function compareSteps({ libraries, expected, rounds, profile, log, ...settings }) {
  const rows = [];
  for (const library of libraries) {
    const row = { library, rounds: [] };
    rows.push(row);
    await attempt(row, () => prepare(row, expected, settings));
    log(
      `${library}: ${row.problem ?? `losses agree (largest relative difference ${row.lossError.toExponential(1)})`}`,
    );
  }
  const racing = () => rows.filter((row) => row.problem === undefined);
  for (let round = 0; round < rounds; round++) {
    for (const row of racing()) await attempt(row, () => timeRound(row));
  }
  for (const row of racing()) {
    await attempt(row, async () => {
      row.peakMiB = (await row.contender.ask("memory")).peakMiB;
      if (!(row.lastLoss < expected[0]))
        throw new Error(`WRONG: loss ${row.lastLoss} at the end, ${expected[0]} at the start`);
      if (profile && row.library === "weft") row.profile = (await row.contender.ask("stepProfile")).times;
    });
  }
  for (const row of rows) await row.contender?.ask("stop").catch(() => undefined);
  return rows;
}

/** First step, loss check, counts, and the number of steps in a round. */
async function prepare(row, expected, { start, batch, network, roundMs, mostSteps, steps }) {
  row.contender = await start(row.library);
  const { losses, ...started } = await row.contender.ask("start", { library: row.library, batch, network });
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
  row.stepsPerRound = steps ?? Math.max(1, Math.min(Math.floor(roundMs / (ms / 2)), mostSteps));
}

async function timeRound(row) {
  const { loss, ms, cpuMs } = await row.contender.ask("steps", { k: row.stepsPerRound });
  row.rounds.push({ msPerStep: ms / row.stepsPerRound, cpuMsPerStep: cpuMs / row.stepsPerRound });
  row.lastLoss = loss;
}

/** A library that fails gets the reason as its row; the others continue. */
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
