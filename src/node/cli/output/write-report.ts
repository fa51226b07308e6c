/** `--report`: the page of a run, with its history as .csv and .json beside it. */
import type { TrainTest } from "../../../data/published/dataset-source.ts";
import type { CurveRun } from "../../../recipes/curves.ts";
import type { Recipe } from "../../../recipes/recipe.ts";
import { reportHtml } from "../../../report/run-report.ts";
import type { History } from "../../../train/loop/events.ts";
import { historyCsv, historyJson } from "../../../train/loop/history.ts";
import type { Trainer } from "../../../train/loop/trainer.ts";
import { writeFileAtomic } from "../../files/atomic-write.ts";
import { reportFiles } from "../training/check-outputs.ts";
import type { Settings } from "../training/settings.ts";
import { collectReport } from "./collect-report.ts";
import { count, duration, percent } from "./format.ts";

interface Reported {
  readonly recipe: Recipe;
  readonly data: TrainTest & { readonly title: string };
  readonly trainer: Trainer;
  readonly history: History | undefined;
  readonly settings: Settings;
  readonly seed: number;
}

/** Writes `file`, and `.csv` and `.json` under the same name. `compared`: runs whose curves are drawn beside. */
export async function writeReport(file: string, run: Reported, compared: readonly CurveRun[]): Promise<void> {
  const { recipe, data, trainer, history, settings, seed } = run;
  const { epochs = [], evaluations } = history ?? {};
  const report = await collectReport({
    title: recipe.title,
    result: resultOf(run),
    trainer,
    data,
    epochs,
    settings: settingsTable(recipe, data, settings, seed),
  });
  const others = compared.map(({ name, epochs: theirs }) => ({ title: name, epochs: theirs }));
  const [page, csv, json] = reportFiles(file);
  await writeFileAtomic(page, reportHtml(report, others));
  const records = { epochs, ...(evaluations === undefined ? {} : { evaluations }) };
  await writeFileAtomic(csv, historyCsv(records));
  await writeFileAtomic(json, historyJson(records));
}

function resultOf({ history, data, trainer }: Reported): string {
  const { epochs = [] } = history ?? {};
  const last = epochs.at(-1);
  const seconds = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  const measured =
    last?.valAccuracy !== undefined
      ? `${percent(last.valAccuracy)} of ${count(data.test.count)} test samples right`
      : last?.valLoss !== undefined
        ? `test loss ${last.valLoss.toPrecision(4)}`
        : `loss ${last?.loss.toPrecision(4)}`;
  return `${measured} after ${count(trainer.steps)} steps, ${duration(seconds)} of training`;
}

function settingsTable(
  recipe: Recipe,
  data: Reported["data"],
  { rule, options, trainer }: Settings,
  seed: number,
): Record<string, string> {
  const entries: readonly (readonly [string, unknown])[] = [
    ["Recipe", recipe.name],
    ["Data", `${data.title}: ${count(data.train.count)} samples to train, ${count(data.test.count)} to test`],
    ["Batch size", trainer.batchSize],
    ["Seed", seed],
    ...Object.entries(rule).map(([name, value]) => [wordsOf(name), value] as const),
    ...Object.entries(options).map(([name, value]) => [wordsOf(name), value] as const),
  ];
  return Object.fromEntries(
    entries.filter(([, value]) => value !== undefined).map(([name, value]) => [name, String(value)]),
  );
}

/** "learningRate" as "Learning rate". */
const wordsOf = (name: string) =>
  name.charAt(0).toUpperCase() + name.slice(1).replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
