// Measures what needs a new process: the time to the first step, and the peak memory of a training run.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { median } from "../format.mjs";
import { lossError } from "../networks/networks.mjs";

const GOLDEN = new URL("../networks/golden.json", import.meta.url);
const STARTS = 3;

/** Milliseconds from process start to the end of the first LeNet-5 step: all starts, by phase, and their median. */
export async function firstSteps(environment) {
  const starts = [];
  for (let i = 0; i < STARTS; i++) starts.push(await runScript("first-step.mjs", environment));
  const golden = JSON.parse(readFileSync(GOLDEN, "utf8"));
  const wrong = starts.find(({ loss }) => !(lossError("lenet5", 64, [loss], golden) <= 1));
  if (wrong) throw new Error(`WRONG: loss ${wrong.loss}, expected ${golden.lenet5[0]}`);
  return { medianMs: median(starts.map(({ stepped }) => stepped)), starts };
}

/** Peak resident memory, in MiB, of a process that trains LeNet-5 on 60,000 images, and its memory at earlier points. */
export const trainingRun = (environment) => runScript("training-run.mjs", environment);

async function runScript(name, env) {
  const script = fileURLToPath(new URL(name, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script], { env });
  return JSON.parse(stdout.trim().split("\n").at(-1));
}
