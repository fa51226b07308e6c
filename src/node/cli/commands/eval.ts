/** `weft eval FILE`: rebuilds the model that a file was saved from and measures it on the test set. */
import { FormatError, ValueError } from "../../../common/errors.ts";
import { readSafetensors } from "../../../io/safetensors.ts";
import { sgd } from "../../../optim/index.ts";
import { recipe as recipeOf } from "../../../recipes/index.ts";
import { parseRecipeOptions } from "../../../recipes/options.ts";
import { recipeData } from "../../../recipes/run.ts";
import { Trainer } from "../../../train/loop/trainer.ts";
import { nodeFiles, openDevice } from "../../device/open-device.ts";
import { ownTest } from "../data/own-data.ts";
import { chooseTest } from "../data/published-data.ts";
import { interruptSignal } from "../interrupt.ts";
import type { DeviceFlags } from "../options/device-options.ts";
import type { OwnDataFlags } from "../options/own-data-options.ts";
import { downloadProgress } from "../output/download-progress.ts";
import { duration, percent, several } from "../output/format.ts";
import { evalLines } from "../output/metrics-text.ts";
import { aside, say, sayJson } from "../output/terminal.ts";
import { expectFits } from "../training/recipe-run.ts";
import { metricsFor } from "../training/settings.ts";

const BATCH = 200;

export interface EvalFlags extends DeviceFlags, OwnDataFlags {
  readonly recipe?: string;
  readonly dataset?: string;
  readonly dataDir?: string;
  readonly limit?: number;
  readonly json?: true;
}

export async function evaluate(file: string, flags: EvalFlags): Promise<number> {
  const bytes = await nodeFiles.read(file);
  const { metadata } = readSafetensors(bytes, { name: file });
  const name = flags.recipe ?? metadata.recipe;
  if (name === undefined) {
    throw new ValueError(`${file}: does not say of which recipe it is; name it, as in --recipe lenet5`);
  }
  const own = await ownTest(metadata, flags, file);
  const recipe = own?.recipe ?? recipeOf(name);
  const dataset = flags.dataset ?? metadata.dataset ?? recipe.dataset;
  const options = parseRecipeOptions(metadata.options, file);
  const seed = wholeOf(file, "seed", metadata.seed) ?? 0;
  const samples = flags.limit ?? wholeOf(file, "number of test samples", metadata.testSamples);
  const signal = interruptSignal();
  const progress = downloadProgress();
  const notices: string[] = [];
  const onNotice = (text: string) => {
    if (flags.json) aside(text);
    else notices.push(text);
  };
  const opening = openDevice({ backend: flags.backend, onNotice });
  const chosen = own
    ? Promise.resolve(own)
    : chooseTest(dataset, samples, {
        dataDir: flags.dataDir,
        signal,
        onProgress: progress.update,
        prepare: (parts) => recipeData(recipe, parts, { seed, options }),
      });
  const loading = chosen.finally(progress.stop);
  const [opened, loaded] = await Promise.allSettled([opening, loading]);
  try {
    if (loaded.status === "rejected") {
      signal.throwIfAborted();
      throw loaded.reason;
    }
    if (opened.status === "rejected") throw opened.reason;
    const backend = opened.value;
    const { test, title } = loaded.value;
    expectFits(recipe, test);
    const loss = recipe.loss(options);
    const trainer = await Trainer.create(backend, {
      model: recipe.model(options),
      loss,
      metrics: metricsFor(test, loss),
      // Evaluating changes nothing: any optimizer will do, and this one has no states to look for in the file.
      optimizer: sgd({ learningRate: 0 }),
      batchSize: BATCH,
    });
    await trainer.fromSafetensors(bytes, file);
    const begun = performance.now();
    const measures = await trainer.evaluate(test, { signal });
    const seconds = (performance.now() - begun) / 1000;
    if (flags.json) {
      const { adapter, kind, software } = backend;
      const measured = {
        event: "eval",
        file,
        recipe: recipe.name,
        dataset,
        testSamples: test.count,
        ...measures,
      };
      sayJson({ ...measured, seconds, adapter, backend: kind, software });
    } else {
      say(...notices);
      if (notices.length === 0) say(`Adapter: ${backend.adapter}.`);
      const { loss: mean, accuracy } = measures;
      const right = accuracy === undefined ? "" : `${percent(accuracy)} right, `;
      const noun = test.inputs.shape.length === 1 ? "test row" : "test image";
      const what = `${file} (${recipe.name}) on ${several(test.count, noun)} of ${title}`;
      const inUnits = own?.explain?.(mean) ?? "";
      say(`${what}: ${right}loss ${mean.toFixed(4)}${inUnits}, in ${duration(seconds)}.`);
      say(...evalLines(measures, test));
    }
    return 0;
  } finally {
    if (opened.status === "fulfilled") await opened.value.close();
  }
}

function wholeOf(file: string, what: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new FormatError(`${file}: says that its ${what} is ${text}`);
  return Number(text);
}
