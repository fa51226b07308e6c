/** `weft train`: a recipe from data to a saved file. */
import type { Backend } from "../../backend.ts";
import { adam, adamw, type Optimizer, sgd } from "../../optim/index.ts";
import { recipe as recipeOf } from "../../recipes/index.ts";
import type { Recipe } from "../../recipes/recipe.ts";
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

const optimizers = {
  sgd: (learningRate: number) => sgd({ learningRate, momentum: 0.9 }),
  adam: (learningRate: number) => adam({ learningRate }),
  adamw: (learningRate: number) => adamw({ learningRate }),
} as const satisfies Record<TrainFlags["optimizer"] & string, (rate: number) => Optimizer>;

/** Learning rates to begin with, for an optimizer that is not the recipe's. */
const usualRates = { sgd: 0.01, adam: 1e-3, adamw: 1e-3 } as const;

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
  const { seed, conv, epochs = recipe.epochs, batchSize = recipe.batchSize } = flags;
  const { optimizer = recipe.optimizer } = flags;
  const { lr = optimizer === recipe.optimizer ? recipe.learningRate : usualRates[optimizer] } = flags;
  const trainer = await Trainer.create(backend, {
    model: recipe.model(),
    loss: recipe.loss(),
    optimizer: optimizers[optimizer](lr),
    batchSize,
    seed,
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
    const trained = await follow(trainer, data, { epochs, signal, reporter });
    if (trainer.steps > 0) {
      await trainer.save(save, {
        ...metadata,
        recipe: recipe.name,
        dataset: data.name,
        testSamples: String(data.test.count),
        seed: String(seed),
        optimizer,
        learningRate: String(lr),
        batchSize: String(batchSize),
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
  readonly epochs: number;
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
}

/** Trains, passes the events on and sums them up. */
async function follow(trainer: Trainer, data: ChosenData, { epochs, signal, reporter }: Following) {
  const begun = performance.now();
  let firstStepSeconds: number | null = null;
  let trainingSeconds = 0;
  let last: EpochRecord | undefined;
  for await (const event of trainer.fit(data.train, { epochs, validation: data.test, signal })) {
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
