// Compares single kernels: every case in every library, each library in its own process, in interleaved rounds, results
// checked before times. Every case has a row; the cell of a library without the kernel says so.

import { isHardware } from "../choose-driver.mjs";
import { median, number, textTable } from "../format.mjs";
import { chooseCases } from "../kernels/cases.mjs";
import { referenceOutputs, worstDifference } from "../kernels/reference.mjs";
import { startContender } from "./contender.mjs";

const MOST_RUNS = 1000;
/** A run longer than this gets fewer rounds. */
const SLOW_MS = 700;
const FEW_ROUNDS = 3;

/**
 * @param {{ libraries: string[], environment: object, only?: string, rounds: number, roundMs: number,
 *   log(text: string): void }} settings `environment`: of the libraries' processes
 */
export async function compareKernels({ libraries, environment, only, rounds, roundMs, log }) {
  const contenders = [];
  for (const library of libraries) {
    const contender = { library, ...startContender(library, environment) };
    try {
      await contender.ask("open", { library });
    } catch (error) {
      contender.problem = firstLine(error);
    }
    contenders.push(contender);
  }
  const adapter = await contenders[0].ask("adapter");
  const onHardware = isHardware(adapter);
  const rows = [];
  for (const testCase of chooseCases(only, onHardware)) {
    const begun = performance.now();
    const row = await compareCase(testCase, contenders, { rounds, roundMs });
    rows.push(row);
    log(`${kernelCells(row, libraries).join("  ")}  (${((performance.now() - begun) / 1000).toFixed(1)} s)`);
  }
  for (const { ask } of contenders) await ask("stop").catch(() => undefined);
  return { adapter, libraries, rows };
}

async function compareCase(testCase, contenders, { rounds, roundMs }) {
  const { name, flops, bytes } = testCase;
  const expected = referenceOutputs(testCase);
  const results = {};
  const racing = [];
  for (const contender of contenders) {
    const result = { times: [] };
    results[contender.library] = result;
    try {
      if (contender.problem) throw new Error(contender.problem);
      const { outputs } = await contender.ask("build", { testCase });
      result.worst = worstDifference(outputs, expected);
      if (!(result.worst <= testCase.tolerance)) throw new Error(`WRONG by ${result.worst.toExponential(1)}`);
      await contender.ask("time", { id: name, k: 1 });
      const { ms } = await contender.ask("time", { id: name, k: 2 });
      result.runs = Math.max(1, Math.min(MOST_RUNS, Math.round((2 * roundMs) / ms)));
      result.rounds = ms / 2 > SLOW_MS ? Math.min(FEW_ROUNDS, rounds) : rounds;
      racing.push({ contender, result });
    } catch (error) {
      result.problem = firstLine(error);
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const { contender, result } of racing) {
      if (round >= result.rounds || result.problem) continue;
      try {
        const { ms } = await contender.ask("time", { id: name, k: result.runs });
        result.times.push(ms / result.runs);
      } catch (error) {
        result.problem = firstLine(error);
      }
    }
  }
  for (const contender of contenders)
    if (!contender.problem) await contender.ask("free", { id: name }).catch(() => undefined);
  return { name, flops, bytes, results };
}

export function kernelTable({ libraries, rows }) {
  const [first, ...others] = libraries;
  const header = ["", `${first} ms`, "rate", ...others.flatMap((name) => [`${name} ms`, `x ${first}`])];
  return textTable([header, ...rows.map((row) => kernelCells(row, libraries))]);
}

function kernelCells({ name, flops, bytes, results }, [first, ...others]) {
  const own = results[first];
  const mine = own.problem ?? number(median(own.times));
  const amount = flops ?? bytes;
  const rate = own.problem
    ? "-"
    : `${number(amount / median(own.times) / 1e6)} ${flops ? "GFLOP/s" : "GB/s"}`;
  const cells = others.flatMap((library) => {
    const { problem, times } = results[library];
    if (problem) return [problem.slice(0, 40), "-"];
    const ratios = own.problem ? [] : pairRatios(times, own.times);
    const ratio = median(ratios);
    return [number(median(times)), own.problem ? "-" : `${ratio.toFixed(2)}${ratio < 1 ? " BEHIND" : ""}`];
  });
  return [name, mine, rate, ...cells];
}

/** Pairs rounds, so that other load affects both libraries alike. A library with fewer rounds is compared over those rounds. */
const pairRatios = (times, own) => times.map((t, i) => t / own[Math.min(i, own.length - 1)]);

const firstLine = (error) =>
  String(error.message)
    .split("\n")[0]
    .replace(/^(Unavailable|Error): /, "");
