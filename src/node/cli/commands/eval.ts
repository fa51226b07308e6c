/** `weft eval FILE`: rebuilds the model of a saved file and evaluates it on the test set. */
import { ownTest } from "../data/own-data.ts";
import { testData } from "../data/published-data.ts";
import { numberOf, openSavedModel, readSavedModel } from "../data/saved-model.ts";
import { withDeviceAndData } from "../device-and-data.ts";
import { interruptSignal } from "../interrupt.ts";
import type { DataFlags, DeviceFlags, OwnDataFlags } from "../options/shared-options.ts";
import { duration, lossText, percent, plural } from "../output/format.ts";
import { metricsText } from "../output/metrics-text.ts";
import { print, printError, printJson } from "../output/terminal.ts";
import { sampleNoun } from "../training/run-result.ts";
import { expectFits, metricsFor } from "../training/settings.ts";

const BATCH_SIZE = 200;

export interface EvalFlags extends DeviceFlags, DataFlags, OwnDataFlags {
  readonly recipe?: string;
  readonly json?: true;
}

export async function evaluate(file: string, flags: EvalFlags): Promise<number> {
  const saved = await readSavedModel(file, flags.recipe);
  const { metadata, recipe, options, loss } = saved;
  const dataset = flags.dataset ?? metadata.dataset ?? recipe.dataset;
  const seed = numberOf(file, "seed", metadata.seed, "whole") ?? 0;
  const storedSamples = numberOf(file, "number of test samples", metadata.testSamples, "whole");
  const own = await ownTest(saved, flags);
  const stop = interruptSignal();
  const notices: string[] = [];
  const onNotice = (text: string) => {
    if (flags.json) printError(text);
    else notices.push(text);
  };
  const load = async (signal: AbortSignal) => {
    const given = { dataDir: flags.dataDir, signal, settings: { seed, options } };
    return own ?? testData(recipe, dataset, flags.limit ?? storedSamples, given);
  };
  await withDeviceAndData(
    { backend: flags.backend, onNotice },
    stop,
    load,
    async (backend, { test, title }) => {
      expectFits(recipe, test);
      const settings = {
        metrics: recipe.inputs === "tokens" ? [] : metricsFor(test, loss),
        batchSize: BATCH_SIZE,
      };
      const trainer = await openSavedModel(backend, saved, settings);
      const begun = performance.now();
      const measures = await trainer.evaluate(test, { signal: stop });
      const seconds = (performance.now() - begun) / 1000;
      const { adapter, kind, software } = backend;
      if (flags.json) {
        const what = { event: "eval", file, recipe: recipe.name, dataset, testSamples: test.count };
        printJson({ ...what, ...measures, seconds, adapter, backend: kind, software });
        return;
      }
      print(...(notices.length > 0 ? notices : [`Adapter: ${adapter}.`]));
      const { loss: mean, accuracy } = measures;
      const right = accuracy === undefined ? "" : `${percent(accuracy)} right, `;
      const noun = `test ${sampleNoun(recipe)}`;
      const what = `${file} (${recipe.name}) on ${plural(test.count, noun)} of ${title}`;
      const inUnits = own?.explain?.(mean) ?? "";
      print(`${what}: ${right}loss ${lossText(mean, recipe)}${inUnits}, in ${duration(seconds)}.`);
      print(...metricsText(measures, test));
    },
  );
  return 0;
}
