// What only a fresh process shows: the time to the first step, and the peak memory of a training run.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { median } from "../format.mjs";

const STARTS = 3;

/** Milliseconds from process start to the end of the first LeNet-5 step: all starts, by phase, and their median. */
export async function firstSteps(environment) {
  const starts = [];
  for (let i = 0; i < STARTS; i++) starts.push(await runScript("first-step.mjs", environment));
  const expected = 2.3; // the loss of 10 classes that nothing is known of
  const wrong = starts.find(({ loss }) => !(Math.abs(loss - expected) < 0.2));
  if (wrong) throw new Error(`first step: loss ${wrong.loss}`);
  return { medianMs: median(starts.map(({ stepped }) => stepped)), starts };
}

/** Peak resident memory, in MiB, of a process that trains LeNet-5 on 60,000 images. */
export const trainingRun = (environment) => runScript("training-run.mjs", environment);

async function runScript(name, env) {
  const script = fileURLToPath(new URL(name, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script], { env });
  return JSON.parse(stdout.trim().split("\n").at(-1));
}
