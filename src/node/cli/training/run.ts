/** A training run on an open device: begins or resumes it, trains, saves the model, draws and reports. */

import { Gpt } from "../../../nn/gpt.ts";
import type { CurveRun } from "../../../recipes/curves.ts";
import { continueText, describeLanguageModel } from "../../../recipes/language-model.ts";
import type { Recipe } from "../../../recipes/recipe.ts";
import type { ReportSample } from "../../../report/run-report.ts";
import type { Backend, TuneEvent } from "../../../runtime/backend.ts";
import type { History } from "../../../train/loop/events.ts";
import type { FitOptions } from "../../../train/loop/options.ts";
import { Trainer } from "../../../train/loop/trainer.ts";
import { predict } from "../../../train/predict/predict.ts";
import { resumeFrom } from "../../../train/state/checkpoint-folder.ts";
import type { FitState } from "../../../train/state/fit-record.ts";
import { version } from "../../../version.ts";
import type { ChosenData } from "../data/published-data.ts";
import { LANGUAGE_MODEL_KEY } from "../data/saved-model.ts";
import type { TrainFlags } from "../options/train-options.ts";
import { runName, writePicture } from "../output/curves.ts";
import { count } from "../output/format.ts";
import type { Reporter } from "../output/reporters.ts";
import { tuningSummary } from "../output/tuning-output.ts";
import { checkpointFolder, expectSameData, type StoredRun, writeRun } from "./run-folder.ts";
import { resultOf, sampleNoun } from "./run-result.ts";
import { type Settings, settingsOf } from "./settings.ts";

const CHECKPOINT_SECONDS = 5;

export interface Job {
  readonly recipe: Recipe;
  readonly flags: TrainFlags;
  /** The run to resume. */
  readonly stored: StoredRun | undefined;
  /** Path of the saved model. */
  readonly save: string;
  readonly backend: Backend;
  readonly data: ChosenData;
  readonly signal: AbortSignal;
  readonly reporters: Required<Reporter>;
  /** Notices from before the run, such as the adapter that was found. */
  readonly notices: readonly string[];
  /** More metadata for the saved file. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Runs to draw beside this one. */
  readonly compared: readonly CurveRun[];
}

export async function runTraining(job: Job): Promise<void> {
  const { recipe, flags, save, backend, data, signal, reporters, compared } = job;
  const settings = settingsOf(recipe, data.train, flags);
  const onTuneEvent = (event: TuneEvent) => {
    if (event.event === "notice") reporters.notice(event.message);
    if (event.event === "tuned") for (const text of tuningSummary(event)) reporters.notice(text);
  };
  const trainer = await Trainer.create(backend, {
    ...settings.trainer,
    tune: flags.tune === true && { signal, onEvent: onTuneEvent },
    onCompile: (progress) => reporters.compiling(progress),
    onNotice: (text) => reporters.notice(text),
  });
  announce(job, trainer);
  try {
    const resume = await beginOrResume(job, trainer, settings.fit.epochs);
    const fitted = await fit(job, trainer, settings, resume);
    const result = await resultOf({ recipe, flags, data, settings, trainer, save, signal, ...fitted });
    if (result.file !== null) {
      const saving = () => trainer.save(save, metadataOf(job, settings));
      await (flags.ema === undefined ? saving() : trainer.withAverages(saving));
    }
    const { history, samples } = fitted;
    if (result.picture !== undefined) {
      const finished = { title: recipe.title, trainer, data, epochs: history?.epochs ?? [] };
      await writePicture(result.picture, finished, runName(settings.rule), recipe.picture, compared);
    }
    if (result.report !== undefined) {
      const { writeReport } = await import("../output/report-page.ts");
      const reported = { recipe, data, trainer, history, samples, settings, seed: flags.seed };
      await writeReport(result.report, reported, compared);
    }
    await reporters.end(result);
  } finally {
    // After the loss of a device the trainer has opened another one.
    if (trainer.backend !== backend) await trainer.backend.close();
  }
}

function announce({ recipe, flags, backend, data, reporters, notices }: Job, trainer: Trainer): void {
  const reason =
    flags.backend === "cpu" ? "plain JavaScript and slow" : "which is faster for steps this small";
  const adapterOnly = backend.kind === "cpu" && notices.length === 0;
  reporters.begin({
    title: `Weft ${version} trains ${recipe.name}, ${count(trainer.parameterCount)} parameters.`,
    adapter: backend.adapter,
    notices: adapterOnly ? [`Adapter: ${backend.adapter}, ${reason}.`] : notices,
    data: data.title,
    sample: sampleNoun(recipe),
    trainSamples: data.train.count,
    testSamples: data.test.count,
  });
}

/** Writes a new run folder, or loads the last valid checkpoint of the stored run. */
async function beginOrResume(
  { recipe, flags, stored, data, reporters }: Job,
  trainer: Trainer,
  epochs: number | undefined,
): Promise<FitState | undefined> {
  const { run: folder } = flags;
  if (folder === undefined) return undefined;
  const { adapter } = trainer.backend;
  if (stored === undefined) {
    await writeRun(folder, recipe.name, flags, data, { run: trainer.runId, adapter });
    return undefined;
  }
  expectSameData(folder, stored.file, data);
  if (stored.file.adapter !== adapter) {
    reporters.notice(
      `The run began on ${stored.file.adapter} and continues on ${adapter}: results will be as good, but not bit-identical.`,
    );
  }
  const onSkipped = (_: string, reason: string) =>
    reporters.notice(`${reason}. Using the checkpoint before it.`);
  const state = await resumeFrom(trainer, checkpointFolder(folder), onSkipped, stored.file.run);
  if (state === undefined) {
    reporters.notice("The run has no checkpoint yet; starting from the beginning.");
    return undefined;
  }
  const of = epochs === undefined ? "" : `of ${count(epochs)} `;
  reporters.notice(
    `Resuming after step ${count(state.step)}, ${count(state.epochs.length)} ${of}epochs done.`,
  );
  reporters.resume(state);
  return state;
}

/** Trains and passes the events on. */
async function fit(
  { recipe, flags, data, signal, reporters }: Job,
  trainer: Trainer,
  settings: Settings,
  resume: FitState | undefined,
) {
  const begun = performance.now();
  let firstStepSeconds: number | null = null;
  let history: History | undefined;
  const samples: ReportSample[] = [];
  const own = { validation: data.test, signal, resume, ...checkpointOptions(flags) };
  for await (const event of trainer.fit(data.train, { ...settings.fit, ...own })) {
    // The time origin of performance.now is the start of the process.
    if (event.event === "progress") firstStepSeconds ??= performance.now() / 1000;
    if (event.event === "end") history = event.history;
    await reporters.event(event);
    if (event.event !== "evaluation" && event.event !== "epoch") continue;
    const text = await sampled(recipe, trainer, data, signal);
    if (text === undefined) continue;
    const sample = { step: event.event === "evaluation" ? event.step : trainer.steps, text };
    samples.push(sample);
    reporters.sample(sample);
  }
  return { history, samples, firstStepSeconds, seconds: (performance.now() - begun) / 1000 };
}

/** The recipe's sample with the weights as they are; undefined for models of anything but text, and after an interruption. */
async function sampled(
  { sample }: Recipe,
  trainer: Trainer,
  { train }: ChosenData,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { classNames: characters } = train;
  const contextLength = train.inputs.shape[0];
  if (sample === undefined || characters === undefined || contextLength === undefined || signal.aborted)
    return undefined;
  const logitsOf = async (data: Int32Array) =>
    (await predict(trainer, { count: 1, inputs: { data, shape: [contextLength] } })).values;
  const { prompt, tokens } = sample;
  let text = prompt;
  for await (const piece of continueText(logitsOf, { characters, contextLength }, prompt, { tokens }))
    text += piece;
  return text.trim();
}

/** Where and how often checkpoints are written: never without a run folder. */
function checkpointOptions(flags: TrainFlags): Pick<FitOptions, "checkpoints"> {
  const { run, checkpointEvery: everySeconds = CHECKPOINT_SECONDS, checkpointSteps, keep = 3 } = flags;
  if (run === undefined) return {};
  const everySteps = checkpointSteps === undefined ? {} : { everySteps: checkpointSteps };
  return {
    checkpoints: { directory: checkpointFolder(run), everySeconds, everyEpochs: 1, ...everySteps, keep },
  };
}

function metadataOf(
  { recipe, flags, data, metadata }: Job,
  { trainer, rule, options }: Settings,
): Record<string, string> {
  const { inputs, classNames } = data.train;
  const { model } = trainer;
  return {
    ...metadata,
    recipe: recipe.name,
    dataset: data.name,
    testSamples: String(data.test.count),
    seed: String(flags.seed),
    optimizer: rule.optimizer,
    learningRate: String(rule.learningRate),
    batchSize: String(trainer.batchSize),
    // For predictions: the model's input is value * scale + offset.
    inputScale: String(inputs.scale ?? 1),
    inputOffset: String(inputs.offset ?? 0),
    ...(classNames === undefined ? {} : { classNames: JSON.stringify(classNames) }),
    ...(model instanceof Gpt && classNames !== undefined
      ? { [LANGUAGE_MODEL_KEY]: JSON.stringify(describeLanguageModel(model, classNames)) }
      : {}),
    ...(Object.keys(options).length > 0 ? { options: JSON.stringify(options) } : {}),
    weft: version,
  };
}
