/** `weft train`: a recipe from data to a saved file. */
import type { Backend } from "../../backend.ts";
import { adam, adamw, type Optimizer, sgd } from "../../optim/index.ts";
import { recipe as recipeOf } from "../../recipes/index.ts";
import type { Recipe } from "../../recipes/recipe.ts";
import { Trainer } from "../../train/trainer.ts";
import { version } from "../../version.ts";
import { openDevice } from "../device.ts";
import { type ChosenData, chooseData } from "./choose-data.ts";
import { downloadProgress } from "./download-progress.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { expectWritable } from "./option-values.ts";
import type { TrainFlags } from "./program.ts";
import { humanReporter, jsonReporter, logReporter, type Reporter, together } from "./report.ts";
import { count } from "./words.ts";

const optimizers = {
  sgd: (learningRate: number) => sgd({ learningRate, momentum: 0.9 }),
  adam: (learningRate: number) => adam({ learningRate }),
  adamw: (learningRate: number) => adamw({ learningRate }),
} as const satisfies Record<TrainFlags["optimizer"] & string, (rate: number) => Optimizer>;

export async function train(name: string, flags: TrainFlags): Promise<number> {
  const recipe = recipeOf(name);
  const save = flags.save ?? `${recipe.name}.safetensors`;
  await expectWritable("--save", save);
  if (flags.log !== undefined) await expectWritable("--log", flags.log);
  const { signal, release } = listenForInterrupt();
  const shown = flags.json ? jsonReporter() : humanReporter();
  const reporter = flags.log === undefined ? shown : together([shown, logReporter(flags.log)]);
  try {
    const notices: string[] = [];
    const { backend, data } = await prepare(recipe, flags, signal, reporter, notices);
    try {
      await run({ recipe, flags, save, backend, data, signal, reporter, notices });
    } finally {
      await backend.close();
    }
  } finally {
    reporter.close();
    release();
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
): Promise<{ backend: Backend; data: ChosenData }> {
  const opening = openDevice({ backend: flags.backend, onNotice: (text) => void notices.push(text) });
  const progress = downloadProgress();
  const loading = chooseData(flags.dataset, recipe.dataset, flags.limit, {
    dataDir: flags.dataDir,
    signal,
    onProgress: progress.update,
    notice: (text) => reporter.notice(text),
  }).finally(progress.stop);
  const [opened, loaded] = await Promise.allSettled([opening, loading]);
  if (opened.status === "fulfilled" && loaded.status === "fulfilled" && !signal.aborted) {
    return { backend: opened.value, data: loaded.value };
  }
  if (opened.status === "fulfilled") await opened.value.close();
  signal.throwIfAborted();
  throw loaded.status === "rejected" ? loaded.reason : (opened as PromiseRejectedResult).reason;
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
}

async function run({ recipe, flags, save, backend, data, signal, reporter, notices }: Run): Promise<void> {
  const { seed, epochs = recipe.epochs, batchSize = recipe.batchSize, conv } = flags;
  const { optimizer = recipe.optimizer, lr = recipe.learningRate } = flags;
  const begun = performance.now();
  const trainer = await Trainer.create(backend, {
    model: recipe.model(),
    loss: recipe.loss(),
    optimizer: optimizers[optimizer](lr),
    batchSize,
    seed,
    ...(conv === "auto" ? {} : { variants: convolutionVariants(conv) }),
  });
  reporter.begin({
    title: `Weft ${version}: ${recipe.title}, ${count(trainer.parameterCount)} parameters.`,
    adapter: backend.adapter,
    notices: flags.backend === "cpu" ? [`Adapter: ${backend.adapter}, plain JavaScript and slow.`] : notices,
    data: data.title,
    trainSamples: data.train.count,
    testSamples: data.test.count,
  });
  let firstStepSeconds: number | null = null;
  let seconds = 0;
  let metrics: { loss?: number | undefined; accuracy?: number | undefined } = {};
  for await (const event of trainer.fit(data.train, { epochs, validation: data.test, signal })) {
    if (event.event === "progress") firstStepSeconds ??= performance.now() / 1000;
    if (event.event === "epoch") {
      seconds += event.seconds;
      metrics = { loss: event.valLoss, accuracy: event.valAccuracy };
    }
    await reporter.event(event);
  }
  const { steps, submits } = trainer;
  const ran = (performance.now() - begun) / 1000;
  if (steps > 0) {
    const dataset = { dataset: data.name, testSamples: String(data.test.count) };
    const settings = {
      seed: String(seed),
      optimizer,
      learningRate: String(lr),
      batchSize: String(batchSize),
    };
    await trainer.save(save, { recipe: recipe.name, ...dataset, ...settings, weft: version });
  }
  const { program } = await trainer.trainProgram(data.train);
  await reporter.end({
    event: "done",
    testAccuracy: signal.aborted ? null : (metrics.accuracy ?? null),
    testLoss: signal.aborted ? null : (metrics.loss ?? null),
    adapter: backend.adapter,
    backend: backend.kind,
    software: backend.software,
    dataset: data.name,
    trainSamples: data.train.count,
    testSamples: data.test.count,
    seed,
    steps,
    stepsPerSecond: steps / (seconds > 0 ? seconds : ran),
    dispatchesPerStep: program.describe().dispatches,
    submits,
    firstStepSeconds,
    seconds: ran,
    interrupted: signal.aborted,
    file: steps > 0 ? save : null,
  });
}

/** Forces one kind of kernel for a convolution and both its gradients. */
function convolutionVariants(kind: string): Readonly<Record<string, string>> {
  return { conv2d: kind, conv2dBackwardInput: kind, conv2dBackwardWeight: kind };
}
