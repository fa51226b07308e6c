/** `weft train`: trains a recipe from its data to a saved file, or resumes a stopped run. */
import { join } from "node:path";
import { recipe as recipeOf } from "../../../recipes/index.ts";
import { ValueError } from "../../../validation/errors.ts";
import { lockFolder } from "../../files/folder-lock.ts";
import { ownData } from "../data/own-data.ts";
import { expectDataset, trainingData } from "../data/published-data.ts";
import { withDeviceAndData } from "../device-and-data.ts";
import { interruptSignal, stopCode } from "../interrupt.ts";
import type { TrainFlags } from "../options/train-options.ts";
import { readLogs } from "../output/curves.ts";
import { humanReporter, jsonReporter, type Reporter, together } from "../output/reporters.ts";
import { historyReporter, logReporter } from "../output/run-files.ts";
import { expectOutputs, type Output, reportFiles } from "../training/check-outputs.ts";
import { guidedTour } from "../training/guided-tour.ts";
import { runTraining } from "../training/run.ts";
import { expectNoRun, readRun } from "../training/run-folder.ts";
import { deviceOptionsOf, expectFits, recipeOptionsOf } from "../training/settings.ts";

/** `given`: names of the flags on the command line. Checks flags, files and folders before the device is opened. */
export async function train(
  name: string,
  commandFlags: TrainFlags,
  given: readonly string[],
): Promise<number> {
  const stop = interruptSignal();
  const { resume } = commandFlags;
  const stored = resume === undefined ? undefined : await readRun(resume, commandFlags, given);
  const flags = stored?.flags ?? commandFlags;
  const own = await ownData(flags);
  const recipe = own?.recipe ?? recipeOf(stored?.recipe ?? name);
  if (flags.dataset !== undefined) expectDataset(flags.dataset);
  if (stored === undefined && flags.run !== undefined) await expectNoRun(flags.run);
  if (recipe.demonstration !== undefined) return guidedTour(recipe, recipe.demonstration, flags, given);
  if (flags.compare !== undefined && flags.picture === undefined && flags.report === undefined)
    throw new ValueError("--compare: goes with --picture FILE or --report FILE, which draw the runs");
  const compared = await readLogs(flags.compare ?? []);
  const file = `${recipe.name}.safetensors`;
  const save = flags.save ?? (flags.run === undefined ? file : join(flags.run, file));
  await expectOutputs(outputsOf(flags, save), { ...flags, dataset: flags.dataset ?? recipe.dataset });
  const reporters = reportersFor(flags);
  const notice = (text: string) => reporters.notice(text);
  const lock = flags.run === undefined ? undefined : await lockFolder(flags.run, notice);
  try {
    // Notices about the device are part of the run's first lines, those after a loss of the device are printed at once.
    const notices: string[] = [];
    let hasBegun = false;
    const onNotice = (text: string) => (hasBegun ? notice(text) : void notices.push(text));
    const load = async (signal: AbortSignal) => {
      const settings = { seed: flags.seed, options: recipeOptionsOf(flags) };
      const data = own?.data ?? (await trainingData(recipe, flags, { signal, notice, settings }));
      expectFits(recipe, data.train);
      return data;
    };
    const device = { ...deviceOptionsOf(recipe, flags), onNotice };
    await withDeviceAndData(device, stop, load, (backend, data) => {
      hasBegun = true;
      const inputs = { recipe, flags, stored, save, backend, data, compared, metadata: own?.metadata ?? {} };
      return runTraining({ ...inputs, signal: stop, reporters, notices });
    });
  } finally {
    await lock?.release();
    reporters.close();
  }
  return stopCode(stop);
}

/** Every file that a run writes, with the option that names it. */
function outputsOf(flags: TrainFlags, save: string): Output[] {
  const { history, log, picture, report, run } = flags;
  const [page, ...beside] = report === undefined ? [] : reportFiles(report);
  const named: (readonly [option: string, path: string | undefined, content?: "history"])[] = [
    ["--save", save],
    ["--history", history, "history"],
    ["--log", log],
    ["--report", page],
    ["--picture", picture],
    ...beside.map((file) => ["--report", file, "history"] as const),
    ...historyFiles(run).map((file) => ["--run", file, "history"] as const),
  ];
  return named.filter((output): output is Output => output[1] !== undefined);
}

const historyFiles = (run: string | undefined) =>
  run === undefined ? [] : [join(run, "history.csv"), join(run, "history.json")];

function reportersFor({ json, quiet, log, history, run }: TrainFlags): Required<Reporter> {
  const files = [...(history === undefined ? [] : [history]), ...historyFiles(run)];
  return together([
    json ? jsonReporter() : quiet ? {} : humanReporter(),
    ...(log === undefined ? [] : [logReporter(log)]),
    ...(files.length === 0 ? [] : [historyReporter(files)]),
  ]);
}
