// Compares two builds of Weft: each row is timed in pairs, once per build, one directly after the other, in alternating
// order. A row counts as different if the sign test gives p <= 0.05.

import { isHardware } from "./choose-driver.mjs";
import { median, number, textTable } from "./format.mjs";
import { chooseCases } from "./kernels/cases.mjs";
import { referenceOutputs, worstDifference } from "./kernels/reference.mjs";
import { networks } from "./networks/networks.mjs";
import { startContender } from "./peers/contender.mjs";
import { comparePairs } from "./statistics.mjs";

const ROUND_MS = 60;
const MOST_RUNS = 500;
const SIGNIFICANT = 0.05;

/** @param {{ now: object, old: object, revision: string, only?: string, pairs: number, log(text: string): void }} settings */
export async function compareBuilds({ now, old, revision, only, pairs, log }) {
  const sides = [startContender("weft", now), startContender("weft", old)];
  for (const { ask } of sides) await ask("open", { library: "weft" });
  const adapter = await sides[0].ask("adapter");
  const rows = [];
  for (const row of rowsOf(isHardware(adapter), only)) {
    log(row.name);
    rows.push(await compareRow(row, sides, pairs));
  }
  for (const { ask } of sides) await ask("stop").catch(() => undefined);
  log("");
  console.log(`${adapter.description}: this tree against ${revision}, ${pairs} pairs`);
  const header = ["", "ms now", `ms ${revision}`, "now / then", "95 % interval", "p", ""];
  console.log(textTable([header, ...rows.map(cells)]));
  return { adapter, revision, pairs, rows };
}

function rowsOf(hardware, only) {
  const texts = only?.split(",").map((text) => text.trim());
  const steps = Object.entries(networks).flatMap(([name, network]) =>
    network[hardware ? "hardware" : "batches"].map((batch) => ({
      name: `${name} batch ${batch}`,
      network: name,
      batch,
    })),
  );
  const kernels = chooseCases(undefined, hardware).map((testCase) => ({ name: testCase.name, testCase }));
  return [...steps, ...kernels].filter(({ name }) => texts?.some((text) => name.includes(text)) ?? true);
}

async function compareRow({ name, network, batch, testCase }, sides, pairs) {
  try {
    const expected = testCase && referenceOutputs(testCase);
    const estimates = [];
    for (const { ask } of sides) {
      await prepare(ask);
      await ask("time", { id: name, k: 1 });
      estimates.push((await ask("time", { id: name, k: 2 })).ms / 2);
    }
    const runs = Math.max(1, Math.min(MOST_RUNS, Math.round(ROUND_MS / Math.max(...estimates))));
    const times = [[], []];
    for (let pair = 0; pair < pairs; pair++) {
      for (const side of pair % 2 ? [1, 0] : [0, 1]) {
        times[side].push((await sides[side].ask("time", { id: name, k: runs })).ms / runs);
      }
    }
    return { name, now: median(times[0]), before: median(times[1]), runs, times, ...comparePairs(...times) };

    async function prepare(ask) {
      if (network !== undefined) {
        const { worst, losses } = await ask("network", { id: name, name: network, batch });
        if (!(worst <= 1)) throw new Error(`WRONG: losses ${losses.join(", ")}`);
        return;
      }
      const { outputs } = await ask("build", { testCase });
      const worst = worstDifference(outputs, expected);
      if (!(worst <= testCase.tolerance)) throw new Error(`WRONG by ${worst.toExponential(1)}`);
    }
  } catch (error) {
    return {
      name,
      problem: String(error.message)
        .split("\n")[0]
        .replace(/^Error: /, ""),
    };
  } finally {
    for (const { ask } of sides) await ask("free", { id: name }).catch(() => undefined);
  }
}

function cells({ name, problem, now, before, ratio, low, high, pValue }) {
  if (problem !== undefined) return [name, problem.slice(0, 60)];
  const verdict = pValue > SIGNIFICANT ? "" : ratio < 1 ? "faster" : "SLOWER";
  const interval = `${low.toFixed(3)}-${high.toFixed(3)}`;
  return [name, number(now), number(before), ratio.toFixed(3), interval, pValue.toFixed(3), verdict];
}
