/** `weft train`: a recipe from data to a saved file, or on from where a stopped run stands. */
import { join } from "node:path";
import type { Backend, TuneEvent } from "../../backend.ts";
import type { CurveRun } from "../../recipes/curves.ts";
import { recipe as recipeOf } from "../../recipes/index.ts";
import type { Recipe } from "../../recipes/recipe.ts";
import { recipeData } from "../../recipes/run.ts";
import { resumeFrom } from "../../train/checkpointer.ts";
import type { History } from "../../train/events.ts";
import type { FitOptions } from "../../train/options.ts";
import type { FitState } from "../../train/run-state.ts";
import { Trainer } from "../../train/trainer.ts";
import { version } from "../../version.ts";
import { openDevice } from "../device.ts";
import { type ChosenData, chooseData, expectDataset } from "./choose-data.ts";
import { downloadProgress } from "./download-progress.ts";
import { historyReporter } from "./history-file.ts";
import { interruptSignal } from "./interrupt.ts";
import { expectWritable } from "./option-values.ts";
import { ownData } from "./own-data.ts";
import { readLogs, runName, writePicture } from "./picture.ts";
import { adapterNotice, demonstrate, deviceFor, expectFits, variantsOf } from "./recipe-run.ts";
import {
  humanReporter,
  jsonReporter,
  logReporter,
  quietReporter,
  type Reporter,
  together,
} from "./report.ts";
import {
  checkpointFolder,
  expectNoRun,
  expectSameData,
  readRun,
  type StoredRun,
  writeRun,
} from "./run-folder.ts";
import { type Settings, settingsOf } from "./settings.ts";
import type { TrainFlags } from "./train-command.ts";
import { tunedWords } from "./tune-report.ts";
import { count } from "./words.ts";

const CHECKPOINT_SECONDS = 5;

/** `given`: names of the flags that were written out. */
export async function train(name: string, asked: TrainFlags, given: readonly string[]): Promise<number> {
  const signal = interruptSignal();
  const stored = asked.resume === undefined ? undefined : await readRun(asked.resume, asked, given);
  const flags = stored?.flags ?? asked;
  const own = await ownData(flags);
  const recipe = own?.recipe ?? recipeOf(stored?.recipe ?? name);
  if (flags.dataset !== undefined) expectDataset(flags.dataset);
  if (stored === undefined && flags.run !== undefined) await expectNoRun(flags.run);
  if (recipe.demonstration !== undefined) return demonstrate(recipe, recipe.demonstration, flags);
  const compared = await readLogs(flags.compare ?? []);
  const file = `${recipe.name}.safetensors`;
  const save = flags.save ?? (flags.run === undefined ? file : join(flags.run, file));
  for (const option of ["save", "history", "log", "report", "picture"] as const) {
    const path = option === "save" ? save : flags[option];
    if (path !== undefined) await expectWritable(`--${option}`, path);
  }
  const reporter = reporterFor(flags);
  try {
    const notices: string[] = [];
    const { backend, data } = await prepare(recipe, flags, signal, reporter, notices, own?.data);
    try {
      const metadata = own?.metadata ?? {};
      const job = { recipe, flags, stored, save, backend, data, signal, reporter, notices, metadata };
      await run({ ...job, compared });
    } finally {
      await backend.close();
    }
  } finally {
    reporter.close();
  }
  return signal.aborted ? 130 : 0;
}

function reporterFor(flags: TrainFlags): Reporter {
  const shown = flags.json ? jsonReporter() : flags.quiet ? quietReporter() : humanReporter();
  const files = [
    ...(flags.history === undefined ? [] : [flags.history]),
    ...(flags.run === undefined ? [] : [join(flags.run, "history.csv"), join(flags.run, "history.json")]),
  ];
  return together([
    shown,
    ...(flags.log === undefined ? [] : [logReporter(flags.log)]),
    ...(files.length === 0 ? [] : [historyReporter(files)]),
  ]);
}

/** Device and data at the same time. Where one fails, the other is let go. */
async function prepare(
  recipe: Recipe,
  flags: TrainFlags,
  signal: AbortSignal,
  reporter: Reporter,
  notices: string[],
  own: ChosenData | undefined,
): Promise<{ backend: Backend; data: ChosenData }> {
  const failed = new AbortController();
  const opening = openDevice({ ...deviceFor(recipe, flags), onNotice: (text) => void notices.push(text) });
  opening.catch((reason: unknown) => failed.abort(reason));
  const progress = downloadProgress();
  const chosen = own
    ? Promise.resolve(own)
    : chooseData(flags.dataset, recipe.dataset, flags.limit, {
        dataDir: flags.dataDir,
        prepare: (parts) => recipeData(recipe, parts, { seed: flags.seed, options: variantsOf(flags) }),
        signal: AbortSignal.any([signal, failed.signal]),
        onProgress: progress.update,
        notice: (text) => reporter.notice(text),
      });
  const fitting = chosen.then((data) => {
    expectFits(recipe, data.train);
    return data;
  });
  const loading = fitting.finally(progress.stop);
  const [opened, loaded] = await Promise.allSettled([opening, loading]);
  if (opened.status === "fulfilled" && loaded.status === "fulfilled" && !signal.aborted) {
    return { backend: opened.value, data: loaded.value };
  }
  if (opened.status === "fulfilled") await opened.value.close();
  signal.throwIfAborted();
  throw [opened, loaded].find((result) => result.status === "rejected")?.reason;
}

interface Run {
  readonly recipe: Recipe;
  readonly flags: TrainFlags;
  readonly stored: StoredRun | undefined;
  readonly save: string;
  readonly backend: Backend;
  readonly data: ChosenData;
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
  readonly notices: readonly string[];
  /** More for the saved file. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Runs to draw beside this one. */
  readonly compared: readonly CurveRun[];
}

async function run(job: Run): Promise<void> {
  const { recipe, flags, save, backend, data, signal, reporter, notices } = job;
  const settings = settingsOf(recipe, data.train, flags);
  const tell = (event: TuneEvent) => {
    if (event.event === "notice") reporter.notice(event.message);
    if (event.event === "tuned") for (const text of tunedWords(event)) reporter.notice(text);
  };
  const tune = flags.tune === true && { signal, onEvent: tell };
  const trainer = await Trainer.create(backend, { ...settings.trainer, tune });
  const sample = recipe.inputShape.length === 1 ? "row" : "image";
  const samples = { sample, trainSamples: data.train.count, testSamples: data.test.count } as const;
  reporter.begin({
    title: `Weft ${version} trains ${recipe.name}, ${count(trainer.parameterCount)} parameters.`,
    adapter: backend.adapter,
    notices: backend.kind === "cpu" ? [adapterNotice(backend, flags), ...notices] : notices,
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
      const { writeReport } = await import("./write-report.ts");
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

/** Begins a run folder, or loads what the stored run's last sound checkpoint has. */
async function takeUp(
  { recipe, flags, stored, data, reporter }: Run,
  trainer: Trainer,
  { fit: { epochs } }: Settings,
): Promise<FitState | undefined> {
  const { run: folder } = flags;
  if (folder === undefined) return undefined;
  const { adapter } = trainer.backend;
  if (stored === undefined) {
    await writeRun(folder, recipe.name, flags, data, adapter);
    return undefined;
  }
  expectSameData(folder, stored.file, data);
  if (stored.file.adapter !== adapter) {
    reporter.notice(
      `The run began on ${stored.file.adapter} and goes on on ${adapter}: as good, but not the same to the last bit.`,
    );
  }
  const state = await resumeFrom(trainer, checkpointFolder(folder), (_path, reason) =>
    reporter.notice(`${reason}. Using the checkpoint before it.`),
  );
  if (state === undefined) reporter.notice("The run has no checkpoint yet; it begins anew.");
  else {
    const of = epochs === undefined ? "" : `of ${count(epochs)} `;
    reporter.notice(
      `Going on after step ${count(state.step)}, ${count(state.epochs.length)} ${of}epochs done.`,
    );
    reporter.resume?.(state);
  }
  return state;
}

/** Trains, passes the events on and sums them up. */
async function follow(
  { recipe, flags, data, signal, reporter }: Run,
  trainer: Trainer,
  settings: Settings,
  resume: FitState | undefined,
) {
  const begun = performance.now();
  let firstStepSeconds: number | null = null;
  let history: History | undefined;
  const events = trainer.fit(data.train, {
    ...settings.fit,
    validation: data.test,
    signal,
    resume,
    ...checkpoints(flags),
  });
  for await (const event of events) {
    if (event.event === "progress") firstStepSeconds ??= performance.now() / 1000;
    if (event.event === "end") history = event.history;
    await reporter.event(event);
  }
  const seconds = (performance.now() - begun) / 1000;
  const { epochs = [], best, stopped } = history ?? {};
  const last = epochs.at(-1);
  // The weights of the best measurement are back; the last record may be of others.
  const restored =
    settings.fit.earlyStopping?.restoreBest && best !== undefined && best.step !== trainer.steps;
  const val = restored && !signal.aborted ? await trainer.evaluate(data.test, { signal }) : last?.val;
  const judged = !signal.aborted && recipe.goals.some(({ measure }) => measure.startsWith("train"));
  const ofTraining = judged ? await trainer.evaluate(data.train, { signal }) : undefined;
  const trainingSeconds = epochs.reduce((total, epoch) => total + epoch.seconds, 0);
  const { steps, submits } = trainer;
  const { program } = await trainer.trainProgram(data.train);
  return {
    history,
    ...(ofTraining === undefined ? {} : { trainLoss: ofTraining.loss }),
    ...(ofTraining?.accuracy === undefined ? {} : { trainAccuracy: ofTraining.accuracy }),
    testAccuracy: signal.aborted ? null : (val?.accuracy ?? null),
    testLoss: signal.aborted ? null : (val?.loss ?? null),
    steps,
    stepsPerSecond: steps / (trainingSeconds > 0 ? trainingSeconds : seconds),
    dispatchesPerStep: program.describe().dispatches,
    submits,
    firstStepSeconds,
    seconds,
    ...(best === undefined ? {} : { best }),
    ...(stopped === undefined ? {} : { stopped }),
  };
}

function checkpoints(flags: TrainFlags): Pick<FitOptions, "checkpoints"> {
  const {
    run: folder,
    checkpointEvery: everySeconds = CHECKPOINT_SECONDS,
    checkpointSteps,
    keep = 3,
  } = flags;
  if (folder === undefined) return {};
  const everySteps = checkpointSteps === undefined ? {} : { everySteps: checkpointSteps };
  return {
    checkpoints: { directory: checkpointFolder(folder), everySeconds, everyEpochs: 1, ...everySteps, keep },
  };
}

function metadataOf(
  { recipe, flags, data, metadata }: Run,
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
