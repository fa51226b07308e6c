/**
 * `--report`: an HTML page of a completed run with curves, confusion matrix, mistakes, filters and time per kernel, and the
 * history as .csv and .json beside it.
 */
import { arch, cpus, platform, release } from "node:os";
import { type Dataset, readSample } from "../../../data/dataset.ts";
import type { CurveRun } from "../../../recipes/curves.ts";
import type { Recipe } from "../../../recipes/recipe.ts";
import { judge, shares } from "../../../report/answers.ts";
import type { Pixels } from "../../../report/bitmap.ts";
import {
  type ReportPicture,
  type ReportSample,
  type RunReport,
  reportHtml,
} from "../../../report/run-report.ts";
import type { History } from "../../../train/loop/events.ts";
import type { Trainer } from "../../../train/loop/trainer.ts";
import { predict } from "../../../train/predict/predict.ts";
import { defined } from "../../../validation/defined.ts";
import { version } from "../../../version.ts";
import { writeFileAtomic } from "../../files/atomic-write.ts";
import type { ChosenData } from "../data/published-data.ts";
import { reportFiles } from "../training/check-outputs.ts";
import type { Settings } from "../training/settings.ts";
import { count, duration, lossText, optionName, percent, plural } from "./format.ts";
import { writeHistory } from "./run-files.ts";

const MOST_FILTERS = 64;
/** Points of the plot of predictions: more make the page large without showing more. */
const MOST_POINTS = 2000;

interface ReportedRun {
  readonly recipe: Recipe;
  readonly data: ChosenData;
  readonly trainer: Trainer;
  readonly history: History | undefined;
  readonly settings: Settings;
  readonly seed: number;
  readonly samples: readonly ReportSample[];
}

/** Writes the page and its history files. Must not overlap with training. `compared`: runs whose curves are drawn too. */
export async function writeReport(
  file: string,
  run: ReportedRun,
  compared: readonly CurveRun[],
): Promise<void> {
  const { recipe, data, trainer, history } = run;
  const { epochs = [], evaluations } = history ?? {};
  const report: RunReport = {
    title: recipe.title,
    result: resultText(run),
    created: new Date().toISOString(),
    settings: settingsTable(run),
    environment: environmentTable(trainer),
    epochs,
    ...(recipe.inputs === "tokens" ? {} : await outputsOnTestSet(trainer, data.test)),
    ...(run.samples.length > 0 ? { samples: run.samples } : {}),
    ...defined({ filters: await firstFilters(trainer), kernels: await trainer.profile(data.train) }),
  };
  const others = compared.map(({ name, epochs: theirs }) => ({ title: name, epochs: theirs }));
  const [page, ...histories] = reportFiles(file);
  await writeFileAtomic(page, reportHtml(report, others));
  await writeHistory(histories, epochs, evaluations);
}

function resultText({ recipe, history, data, trainer }: ReportedRun): string {
  const { epochs = [] } = history ?? {};
  const last = epochs.at(-1);
  const seconds = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  const measured =
    last?.valAccuracy !== undefined
      ? recipe.inputs === "tokens"
        ? `test loss ${lossText(last.valLoss ?? Number.NaN, recipe)}`
        : `${percent(last.valAccuracy)} of ${count(data.test.count)} test samples right`
      : last?.valLoss !== undefined
        ? `test loss ${last.valLoss.toPrecision(4)}`
        : `loss ${last?.loss.toPrecision(4)}`;
  return `${measured} after ${count(trainer.steps)} steps, ${duration(seconds)} of training`;
}

function settingsTable({ recipe, data, settings, seed }: ReportedRun): Record<string, string> {
  const { rule, options, trainer } = settings;
  const { train, test, title } = data;
  const values: Readonly<Record<string, unknown>> = {
    Recipe: recipe.name,
    Data: `${title}: ${count(train.count)} samples to train, ${count(test.count)} to test`,
    "Batch size": trainer.batchSize,
    Seed: seed,
    ...Object.fromEntries(
      Object.entries({ ...rule, ...options }).map(([name, value]) => [titleOf(name), value]),
    ),
  };
  return Object.fromEntries(Object.entries(defined(values)).map(([name, value]) => [name, String(value)]));
}

/** learningRate -> "Learning rate" */
function titleOf(name: string): string {
  const words = optionName(name).slice(2).replaceAll("-", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function environmentTable({ backend }: Trainer): Record<string, string> {
  const [cpu] = cpus();
  return {
    Weft: version,
    Adapter: backend.adapter,
    Backend: backend.kind === "webgpu" ? `WebGPU${backend.software ? ", in software" : ""}` : "CPU reference",
    Node: process.version,
    System: `${platform()} ${release()}, ${arch()}`,
    Processor: `${cpu?.model.trim() || "unknown"}, ${plural(cpus().length, "core")}`,
  };
}

/** Confusion matrix and mistakes of a classifier, or predicted numbers with their targets. */
async function outputsOnTestSet(
  trainer: Trainer,
  test: Dataset,
): Promise<Pick<RunReport, "confusion" | "mistakes" | "predictions">> {
  const { values, shape } = await predict(trainer, test);
  const { classes, labels } = test;
  if (classes === undefined) {
    if (values.length !== test.count) return {};
    const all = Array.from(values, (value, i) => [labels[i] as number, value] as const);
    const step = Math.ceil(all.length / MOST_POINTS);
    return { predictions: all.filter(([, value], i) => i % step === 0 && Number.isFinite(value)) };
  }
  if (shape.length !== 1 || shape[0] !== classes) return {};
  const { confusion, mistakes } = judge(shares(values, classes), labels, classes);
  const names = Array.from({ length: classes }, (_, c) => test.classNames?.[c] ?? String(c));
  const counts = names.map((_, truth) =>
    Array.from(confusion.subarray(truth * classes, (truth + 1) * classes)),
  );
  const pictures = mistakes.flatMap(({ index, label, guess, certainty }): ReportPicture[] => {
    const pixels = imageOf(readSample(test, index), test.inputs.shape);
    const caption = `${names[label]} classified as ${names[guess]}, ${(100 * certainty).toFixed(0)} %`;
    return pixels === undefined ? [] : [{ ...pixels, caption }];
  });
  return {
    confusion: { classes: names, counts },
    ...(pictures.length > 0 ? { mistakes: pictures } : {}),
  };
}

/** A sample as a picture; undefined where it is not an image. */
function imageOf(values: ArrayLike<number>, shape: readonly number[]): Pixels | undefined {
  const [channels, height, width] = shape;
  if (shape.length !== 3 || (channels !== 1 && channels !== 3)) return undefined;
  return { width: width as number, height: height as number, values: contrastStretched(values) };
}

/** The kernels of the first convolution: its first three input channels if it has three, else the first. */
async function firstFilters(trainer: Trainer): Promise<ReportPicture[] | undefined> {
  const first = [...trainer.parameters].find(([, { shape }]) => shape.length === 4);
  if (first === undefined) return undefined;
  const [name, { shape }] = first;
  const [filters = 0, channels = 0, height = 0, width = 0] = shape;
  const each = channels * height * width;
  const all = await trainer.parameter(name);
  return Array.from({ length: Math.min(filters, MOST_FILTERS) }, (_, f) => {
    const shown = channels === 3 ? 3 : 1;
    const values = Array.from(all.subarray(f * each, f * each + shown * height * width));
    return { width, height, values: contrastStretched(values), caption: `${name} ${f}` };
  });
}

/** Scaled so that the range of the values becomes 0 to 1, and rounded to the 256 levels that a picture can show. */
function contrastStretched(values: ArrayLike<number>): number[] {
  const list = Array.from(values);
  const [low, high] = [Math.min(...list), Math.max(...list)];
  return list
    .map((v) => Math.round((255 * (v - low)) / (high - low || 1)) / 255)
    .map((v) => Number(v.toFixed(3)));
}
