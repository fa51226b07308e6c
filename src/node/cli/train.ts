/** `weft train`: a recipe from data to a saved file. */
import type { Backend } from "../../backend.ts";
import { recipe as recipeOf } from "../../recipes/index.ts";
import type { Recipe } from "../../recipes/recipe.ts";
import { type RecipeRun, recipeData, recipeRun } from "../../recipes/run.ts";
import type { EpochRecord } from "../../train/events.ts";
import { Trainer } from "../../train/trainer.ts";
import { version } from "../../version.ts";
import { openDevice } from "../device.ts";
import { type ChosenData, chooseData, expectDataset } from "./choose-data.ts";
import { downloadProgress } from "./download-progress.ts";
import { interruptSignal } from "./interrupt.ts";
import { expectWritable } from "./option-values.ts";
import { ownData } from "./own-data.ts";
import type { TrainFlags } from "./program.ts";
import { humanReporter, jsonReporter, logReporter, type Reporter, together } from "./report.ts";
import { count } from "./words.ts";

export async function train(name: string, flags: TrainFlags): Promise<number> {
  const own = await ownData(flags);
  const recipe = own?.recipe ?? recipeOf(name);
  if (flags.dataset !== undefined) expectDataset(flags.dataset);
  const save = flags.save ?? `${recipe.name}.safetensors`;
  await expectWritable("--save", save);
  if (flags.log !== undefined) await expectWritable("--log", flags.log);
  const signal = interruptSignal();
  const shown = flags.json ? jsonReporter() : humanReporter();
  const reporter = flags.log === undefined ? shown : together([shown, logReporter(flags.log)]);
  try {
    const notices: string[] = [];
    const { backend, data } = await prepare(recipe, flags, signal, reporter, notices, own?.data);
    try {
      await run({ recipe, flags, save, backend, data, signal, reporter, notices, metadata: own?.metadata });
    } finally {
      await backend.close();
    }
  } finally {
    reporter.close();
  }
  return signal.aborted ? 130 : 0;
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
  const opening = openDevice({ backend: flags.backend, onNotice: (text) => void notices.push(text) });
  opening.catch((reason: unknown) => failed.abort(reason));
  const progress = downloadProgress();
  const chosen = own
    ? Promise.resolve(own)
    : chooseData(flags.dataset, recipe.dataset, flags.limit, {
        dataDir: flags.dataDir,
        prepare: (parts) => recipeData(recipe, parts, { seed: flags.seed }),
        signal: AbortSignal.any([signal, failed.signal]),
        onProgress: progress.update,
        notice: (text) => reporter.notice(text),
      });
  const loading = chosen.finally(progress.stop);
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
  readonly save: string;
  readonly backend: Backend;
  readonly data: ChosenData;
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
  readonly notices: readonly string[];
  /** More for the saved file. */
  readonly metadata: Readonly<Record<string, string>> | undefined;
}

async function run({
  recipe,
  flags,
  save,
  backend,
  data,
  signal,
  reporter,
  notices,
  metadata,
}: Run): Promise<void> {
  const { seed, conv, epochs, batchSize, optimizer, lr } = flags;
  const {
    trainer: options,
    fit,
    rule,
  } = recipeRun(recipe, data.train, {
    seed,
    ...(epochs === undefined ? {} : { epochs }),
    ...(batchSize === undefined ? {} : { batchSize }),
    ...(optimizer === undefined ? {} : { optimizer }),
    ...(lr === undefined ? {} : { learningRate: lr }),
  });
  const trainer = await Trainer.create(backend, {
    ...options,
    variants: conv === "auto" ? {} : convolutionVariants(conv),
  });
  const samples = { trainSamples: data.train.count, testSamples: data.test.count };
  reporter.begin({
    title: `Weft ${version} trains ${recipe.name}, ${count(trainer.parameterCount)} parameters.`,
    adapter: backend.adapter,
    notices: flags.backend === "cpu" ? [`Adapter: ${backend.adapter}, plain JavaScript and slow.`] : notices,
    data: data.title,
    ...samples,
  });
  try {
    const trained = await follow(trainer, data, { fit, signal, reporter });
    if (trainer.steps > 0) {
      await trainer.save(save, {
        ...metadata,
        recipe: recipe.name,
        dataset: data.name,
        testSamples: String(data.test.count),
        seed: String(seed),
        optimizer: rule.optimizer,
        learningRate: String(rule.learningRate),
        batchSize: String(options.batchSize),
        weft: version,
      });
    }
    const { adapter, kind, software } = trainer.backend;
    await reporter.end({
      event: "done",
      ...trained,
      adapter,
      backend: kind,
      software,
      dataset: data.name,
      ...samples,
      seed,
      interrupted: signal.aborted,
      file: trainer.steps > 0 ? save : null,
    });
  } finally {
    // Where the device was lost, another one took its place.
    if (trainer.backend !== backend) await trainer.backend.close();
  }
}

interface Following {
  readonly fit: RecipeRun["fit"];
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
}

/** Trains, passes the events on and sums them up. */
async function follow(trainer: Trainer, data: ChosenData, { fit, signal, reporter }: Following) {
  const begun = performance.now();
  let firstStepSeconds: number | null = null;
  let trainingSeconds = 0;
  let last: EpochRecord | undefined;
  for await (const event of trainer.fit(data.train, { ...fit, validation: data.test, signal })) {
    if (event.event === "progress") firstStepSeconds ??= performance.now() / 1000;
    if (event.event === "epoch") {
      trainingSeconds += event.seconds;
      last = event;
    }
    await reporter.event(event);
  }
  const seconds = (performance.now() - begun) / 1000;
  const { steps, submits } = trainer;
  const { program } = await trainer.trainProgram(data.train);
  return {
    testAccuracy: signal.aborted ? null : (last?.valAccuracy ?? null),
    testLoss: signal.aborted ? null : (last?.valLoss ?? null),
    steps,
    stepsPerSecond: steps / (trainingSeconds > 0 ? trainingSeconds : seconds),
    dispatchesPerStep: program.describe().dispatches,
    submits,
    firstStepSeconds,
    seconds,
  };
}

/** Forces one kind of kernel for a convolution and both its gradients. */
function convolutionVariants(kind: string): Readonly<Record<string, string>> {
  return { conv2d: kind, conv2dBackwardInput: kind, conv2dBackwardWeight: kind };
}
