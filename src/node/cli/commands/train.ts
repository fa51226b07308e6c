/** `weft train`: a recipe from data to a saved file, or on from where a stopped run stands. */
import { join } from "node:path";
import { ValueError } from "../../../common/errors.ts";
import { version } from "../../../common/version.ts";
import { recipe as recipeOf } from "../../../recipes/index.ts";
import type { TuneEvent } from "../../../runtime/backend.ts";
import { Trainer } from "../../../train/loop/trainer.ts";
import { lockFolder } from "../../files/folder-lock.ts";
import { ownData } from "../data/own-data.ts";
import { expectDataset } from "../data/published-data.ts";
import { interruptSignal, stopCode } from "../interrupt.ts";
import type { TrainFlags } from "../options/train-options.ts";
import { count } from "../output/format.ts";
import { historyReporter } from "../output/history-file.ts";
import { readLogs, runName, writePicture } from "../output/picture.ts";
import {
  humanReporter,
  jsonReporter,
  logReporter,
  quietReporter,
  type Reporter,
  together,
} from "../output/reporters.ts";
import { tunedWords } from "../output/tuning-output.ts";
import { expectOutputs, type Output, reportFiles } from "../training/check-outputs.ts";
import { follow } from "../training/follow.ts";
import type { Job } from "../training/job.ts";
import { prepare } from "../training/prepare.ts";
import { adapterNotice, demonstrate } from "../training/recipe-run.ts";
import { takeUp } from "../training/resuming.ts";
import { expectNoRun, readRun } from "../training/run-folder.ts";
import { type Settings, settingsOf } from "../training/settings.ts";

/** `given`: names of the flags that were written out. */
export async function train(name: string, asked: TrainFlags, given: readonly string[]): Promise<number> {
  const signal = interruptSignal();
  const stored = asked.resume === undefined ? undefined : await readRun(asked.resume, asked, given);
  const flags = stored?.flags ?? asked;
  const own = await ownData(flags);
  const recipe = own?.recipe ?? recipeOf(stored?.recipe ?? name);
  if (flags.dataset !== undefined) expectDataset(flags.dataset);
  if (stored === undefined && flags.run !== undefined) await expectNoRun(flags.run);
  if (recipe.demonstration !== undefined) return demonstrate(recipe, recipe.demonstration, flags, given);
  if (flags.compare !== undefined && flags.picture === undefined && flags.report === undefined) {
    throw new ValueError(
      "--compare: goes with --picture FILE or --report FILE, which show the runs side by side",
    );
  }
  const compared = await readLogs(flags.compare ?? []);
  const file = `${recipe.name}.safetensors`;
  const save = flags.save ?? (flags.run === undefined ? file : join(flags.run, file));
  const dataset = flags.dataset ?? recipe.dataset;
  await expectOutputs(outputsOf(flags, save), { ...flags, dataset });
  const reporter = reporterFor(flags);
  const lock = flags.run === undefined ? undefined : await lockFolder(flags.run, reporter.notice);
  try {
    // What is said before the run begins is part of its beginning.
    const notices: string[] = [];
    let begun = false;
    const notice = (text: string) => {
      if (begun) reporter.notice(text);
      else notices.push(text);
    };
    const { backend, data } = await prepare(recipe, flags, signal, reporter, notice, own?.data);
    begun = true;
    try {
      const metadata = own?.metadata ?? {};
      const job = { recipe, flags, stored, save, backend, data, signal, reporter, notices, metadata };
      await run({ ...job, compared });
    } finally {
      await backend.close();
    }
  } finally {
    await lock?.release();
    reporter.close();
  }
  return stopCode(signal);
}

/** Every file that a run writes, by the option that it comes of. */
function outputsOf(flags: TrainFlags, save: string): Output[] {
  const { history, log, picture, report, run } = flags;
  const [page, ...beside] = report === undefined ? [] : reportFiles(report);
  const histories = run === undefined ? [] : historyFiles(run);
  return [
    ["--save", save],
    ...(history === undefined ? [] : [["--history", history, "history"] as const]),
    ...(log === undefined ? [] : [["--log", log] as const]),
    ...(page === undefined ? [] : [["--report", page] as const]),
    ...(picture === undefined ? [] : [["--picture", picture] as const]),
    ...beside.map((file): Output => ["--report", file, "history"]),
    ...histories.map((file): Output => ["--run", file, "history"]),
  ];
}

const historyFiles = (run: string) => [join(run, "history.csv"), join(run, "history.json")];

function reporterFor(flags: TrainFlags): Reporter {
  const shown = flags.json ? jsonReporter() : flags.quiet ? quietReporter() : humanReporter();
  const files = [
    ...(flags.history === undefined ? [] : [flags.history]),
    ...(flags.run === undefined ? [] : historyFiles(flags.run)),
  ];
  return together([
    shown,
    ...(flags.log === undefined ? [] : [logReporter(flags.log)]),
    ...(files.length === 0 ? [] : [historyReporter(files)]),
  ]);
}

async function run(job: Job): Promise<void> {
  const { recipe, flags, save, backend, data, signal, reporter, notices } = job;
  const settings = settingsOf(recipe, data.train, flags);
  const tell = (event: TuneEvent) => {
    if (event.event === "notice") reporter.notice(event.message);
    if (event.event === "tuned") for (const text of tunedWords(event)) reporter.notice(text);
  };
  const tune = flags.tune === true && { signal, onEvent: tell };
  const trainer = await Trainer.create(backend, {
    ...settings.trainer,
    tune,
    onCompile: (progress) => reporter.compiling?.(progress),
    onNotice: (text) => reporter.notice(text),
  });
  const sample = recipe.inputShape.length === 1 ? "row" : "image";
  const samples = { sample, trainSamples: data.train.count, testSamples: data.test.count } as const;
  reporter.begin({
    title: `Weft ${version} trains ${recipe.name}, ${count(trainer.parameterCount)} parameters.`,
    adapter: backend.adapter,
    notices: backend.kind === "cpu" && notices.length === 0 ? [adapterNotice(backend, flags)] : notices,
    data: data.title,
    ...samples,
  });
  try {
    const resume = await takeUp(job, trainer, settings);
    const trained = await follow(job, trainer, settings, resume);
    const saved = trainer.steps > 0;
    if (saved) {
      const saving = () => trainer.save(save, metadataOf(job, settings));
      await (flags.ema === undefined ? saving() : trainer.withAverages(saving));
    }
    const { history, ...figures } = trained;
    const drawn = saved && flags.picture !== undefined ? flags.picture : undefined;
    if (drawn !== undefined) {
      const finished = { title: recipe.title, trainer, data, epochs: history?.epochs ?? [] };
      await writePicture(drawn, finished, runName(settings.rule), recipe.picture, job.compared);
    }
    if (saved && flags.report !== undefined) {
      const { writeReport } = await import("../output/write-report.ts");
      await writeReport(
        flags.report,
        { recipe, data, trainer, history, settings, seed: flags.seed },
        job.compared,
      );
    }
    const { adapter, kind, software } = trainer.backend;
    const { optimizer, learningRate } = settings.rule;
    await reporter.end({
      event: "done",
      recipe: recipe.name,
      optimizer,
      learningRate,
      ...figures,
      ...(drawn === undefined ? {} : { picture: drawn }),
      ...(saved && flags.report !== undefined ? { report: flags.report } : {}),
      adapter,
      backend: kind,
      software,
      dataset: data.name,
      ...samples,
      seed: flags.seed,
      interrupted: signal.aborted,
      file: saved ? save : null,
    });
  } finally {
    // Where the device was lost, another one took its place.
    if (trainer.backend !== backend) await trainer.backend.close();
  }
}

function metadataOf(
  { recipe, flags, data, metadata }: Job,
  { trainer, rule, options }: Settings,
): Record<string, string> {
  return {
    ...metadata,
    recipe: recipe.name,
    dataset: data.name,
    testSamples: String(data.test.count),
    seed: String(flags.seed),
    optimizer: rule.optimizer,
    learningRate: String(rule.learningRate),
    batchSize: String(trainer.batchSize),
    // What a sample of the file's own data goes through before the model.
    inputScale: String(data.train.inputs.scale ?? 1),
    inputOffset: String(data.train.inputs.offset ?? 0),
    ...(data.train.classNames === undefined ? {} : { classNames: JSON.stringify(data.train.classNames) }),
    ...(Object.keys(options).length > 0 ? { options: JSON.stringify(options) } : {}),
    weft: version,
  };
}
